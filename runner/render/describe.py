"""What Wan 2.2 TI2V-5B can do, as its authors publish it."""

from jobstore.abilities import Abilities

REPOSITORY = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
"""Where the weights are, at the hub of Hugging Face; which revision of it, is said below."""

WAN22_TI2V_5B = Abilities(
    format=1,
    name="Wan2.2-TI2V-5B",
    revision="bfbd0086538bbf9b0f7c1f1939879d65e1f872ce",
    sizes=["1280x704", "704x1280"],
    side_multiple=32,
    sizes_by_area=True,
    fps=24,
    num_frames=121,
    steps=50,
    guidance_scale=5.0,
    flow_shift=5.0,
    negative_prompt=(
        "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
        "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，"
        "形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
    ),
)
"""Limits and defaults of the published model.

Source:
    github.com/Wan-Video/Wan2.2 at 42bf4cfa: wan/configs/wan_ti2v_5B.py (frame_num, sample_fps,
    sample_steps, sample_guide_scale, sample_shift), wan/configs/__init__.py (SUPPORTED_SIZES),
    wan/configs/shared_config.py (sample_neg_prompt). The revision is that of the diffusers
    repository above.
"""
