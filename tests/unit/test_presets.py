"""Each preset against what it claims: the passes that it makes, and that it follows its prompt."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from jobstore.abilities import Abilities
from jobstore.job import Request
from passes import counting
from runner.pocket.judge import Frames
from runner.pocket.measure import Asked, marks_of, psnr, render
from runner.render import film
from runner.render.describe import WAN22_TI2V_5B
from runner.render.mode import SAFE
from runner.render.model import Model, load
from runner.render.stepcache import computed
from runner.render.transformer import Speed

Ask = Callable[..., Request]

PICTURE = "J1.png"
ASKED = [Asked((n, -n % 3, n), 80 + n) for n in range(6)]


def passes(model: Model, preset: str, image: str | None, images: Path) -> int:
    """Count those of one render with the preset's own steps and guidance."""
    Image.linear_gradient("L").convert("RGB").save(images / PICTURE)
    bundle = model.abilities.presets[preset]
    request = Request(
        prompt="a red circle moves right",
        negative_prompt="",
        image=image,
        width=64,
        height=64,
        num_frames=5,
        fps=24,
        steps=bundle.steps,
        guidance_scale=bundle.guidance_scale,
        seed=7,
        preset=preset,
    )
    with counting(model.text.transformer) as counts, torch.inference_mode():
        embeddings = film.encode_prompt(model, request)
        film.denoise(model, request, images, embeddings, film.untold)
    assert counts[0] == counts[1]
    return counts[0]


def of_the_5b(model: Model) -> Model:
    """Our weights with the presets and ratios of the 5B; its draft with our one transformer."""
    presets = {
        name: preset.model_copy(update={"transformer": "transformer"})
        for name, preset in WAN22_TI2V_5B.presets.items()
    }
    wanted = {"presets": presets, "mag_ratios": WAN22_TI2V_5B.mag_ratios}
    return replace(model, abilities=model.abilities.model_copy(update=wanted))


@pytest.mark.parametrize("image", [None, PICTURE])
def test_the_presets_of_the_5b_make_the_passes_they_claim(
    model: Model, tmp_path: Path, image: str | None
) -> None:
    model = of_the_5b(model)
    made = {name: passes(model, name, image, tmp_path) for name in model.abilities.presets}
    print(f"figure: presets of the 5B, passes from {'a picture' if image else 'text'}: {made}")
    fast = 52 if image else 50
    assert made == {"quality": 100, "balanced": 64, "fast": fast, "draft": 3}
    for name, preset in model.abilities.presets.items():
        assert name in {"quality", "draft"} or str(made[name]) in preset.about


@pytest.mark.parametrize("image", [None, PICTURE])
def test_the_embedded_models_presets_make_the_passes_they_claim(
    model: Model, tmp_path: Path, image: str | None
) -> None:
    able = model.abilities
    made = {name: passes(model, name, image, tmp_path) for name in able.presets}
    for name in ("balanced", "fast"):
        preset = able.presets[name]
        assert preset.cache_threshold
        ratios = able.mag_ratios["image" if image else "text"]
        assert made[name] == 2 * computed(ratios, preset.cache_threshold, preset.steps)
        assert str(made[name]) in preset.about
    assert (made["quality"], made["draft"]) == (40, 3)


def right(shown: list[Frames]) -> Counter[str]:
    found = Counter[str]()
    for frames, asked in zip(shown, ASKED, strict=True):
        found.update(marks_of(frames, asked.triple))
    return found


def test_what_the_cache_leaves_out_does_not_cost_the_prompt(model: Model) -> None:
    """The whole measurement, of 132 clips, is in the embedded model's README."""
    quality = [render(model, asked) for asked in ASKED]
    best = right(quality)
    for preset in ("balanced", "fast"):
        shown = [render(model, replace(asked, preset=preset)) for asked in ASKED]
        found = right(shown)
        likeness = sum(map(psnr, shown, quality)) / len(ASKED)
        loss = {name: best[name] - found[name] for name in ("colour", "direction", "shape")}
        print(f"figure: {preset} against quality: {loss} of {len(ASKED)} lost, {likeness:.1f} dB")
        assert all(found[name] >= len(ASKED) - 1 for name in loss), found
        assert likeness < 60, "nothing was left out"


@pytest.mark.parametrize("speed", [Speed(attention="_native_math")], ids=str)
def test_an_attention_backend_is_used_but_not_in_the_safe_mode(
    speed: Speed, model: Model, embedded: Path, ask: Ask, tmp_path: Path
) -> None:
    """It is also that of a transformer that is swapped in."""

    def used(one: Model) -> set[object]:
        processors = [block.attn1.processor for block in one.text.transformer.blocks]
        return {each._attention_backend for each in processors}

    fast = load(embedded, Abilities.read(embedded), tmp_path, speed=speed)
    assert used(fast) == {speed.attention}
    assert used(model) == {None}
    request = ask(steps=2)
    embeddings = film.encode_prompt(model, request)
    meanwhile = []

    def look(*_: object) -> None:
        meanwhile.append(used(fast))

    film.denoise(fast, request, tmp_path, embeddings, look, mode=SAFE)
    assert meanwhile[1:] == [{"native"}] * 2
    assert used(fast) == {speed.attention}
    fast.text.transformer.set_attention_backend("native")  # it holds for the whole process
