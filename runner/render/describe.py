"""What Wan 2.2 TI2V-5B can do, as its authors publish it."""

from jobstore.abilities import Abilities, Preset, Task

FULL_STEPS, FULL_GUIDANCE = 50, 5.0
MAG_RATIOS: dict[Task, str] = {
    "text": """
        1.0 0.99505 0.99441 0.99558 0.99499 0.99534 0.99468 0.99463 0.9946 0.99408 0.9945
        0.99409 0.99403 0.99382 0.99349 0.99377 0.9933 0.99303 0.99217 0.992 0.99201 0.99133
        0.99112 0.99155 0.98958 0.98959 0.98838 0.98826 0.9883 0.98711 0.98562 0.98511 0.98414
        0.98284 0.98104 0.97981 0.97849 0.97557 0.97398 0.97171 0.96917 0.96511 0.96263 0.95839
        0.95483 0.94942 0.9468 0.94583 0.94843 0.96949
    """,
    "image": """
        1.0 0.99512 0.99559 0.99595 0.99512 0.99546 0.99543 0.99496 0.99504 0.99444 0.99481
        0.99435 0.9943 0.99411 0.99373 0.99413 0.99363 0.99335 0.99244 0.99229 0.99239 0.99163
        0.99149 0.99191 0.9898 0.9899 0.98849 0.98846 0.98861 0.9874 0.98588 0.98539 0.98444
        0.9831 0.98119 0.98001 0.97862 0.97555 0.97392 0.97152 0.96871 0.96435 0.96129 0.95639
        0.95176 0.94446 0.93972 0.93575 0.93537 0.96655
    """,
}
"""How the change that the blocks make goes from step to step, with the prompt, in 50 steps.

Source:
    github.com/Zehong-Ma/MagCache at df81cb18, MagCache4Wan2.2/magcache_generate.py (Apache-2.0):
    of its values, which alternate, those with the prompt; the first step stands for itself.
"""

REPOSITORY = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
"""Where the weights are, at the hub of Hugging Face; which revision of it, is said below."""

DRAFT_REPOSITORY = "FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers"
"""Where the transformer of the preset `draft` is, in bfloat16; licence Apache-2.0."""

WAN22_TI2V_5B = Abilities(
    format=2,
    name="Wan2.2-TI2V-5B",
    revision="bfbd0086538bbf9b0f7c1f1939879d65e1f872ce",
    sizes=["1280x704", "704x1280"],
    side_multiple=32,
    sizes_by_area=True,
    fps=24,
    num_frames=121,
    flow_shift=5.0,
    negative_prompt=(
        "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
        "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，"
        "形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
    ),
    presets={
        "quality": Preset(
            about="As its authors publish it: 50 steps.",
            steps=FULL_STEPS,
            guidance_scale=FULL_GUIDANCE,
        ),
        "balanced": Preset(
            about="50 steps; a cache leaves out the passes that change least: 64 of 100 are made.",
            steps=FULL_STEPS,
            guidance_scale=FULL_GUIDANCE,
            cache_threshold=0.03,
        ),
        "fast": Preset(
            about=(
                "As balanced, with a bolder cache: from text 50 of 100 are made, from a picture 52."
            ),
            steps=FULL_STEPS,
            guidance_scale=FULL_GUIDANCE,
            cache_threshold=0.06,
        ),
        "draft": Preset(
            about="Three steps of a distilled model, without guidance: for trying out prompts.",
            steps=3,
            guidance_scale=1.0,
            sigmas=[1.0, 0.757, 0.522],
            transformer="transformer_draft",
        ),
    },
    mag_ratios={task: [float(one) for one in text.split()] for task, text in MAG_RATIOS.items()},
)
"""Limits and defaults of the published model.

Source:
    github.com/Wan-Video/Wan2.2 at 42bf4cfa: wan/configs/wan_ti2v_5B.py (frame_num, sample_fps,
    sample_steps, sample_guide_scale, sample_shift), wan/configs/__init__.py (SUPPORTED_SIZES),
    wan/configs/shared_config.py (sample_neg_prompt). The thresholds are those of MagCache's own
    examples; the draft is FastVideo/FastWan2.2-TI2V-5B-FullAttn-Diffusers, timesteps 1000, 757, 522
    (github.com/hao-ai-lab/FastVideo at 2f3d4074, configs/pipelines/wan.py). The revision is that of
    the diffusers repository above.
"""
