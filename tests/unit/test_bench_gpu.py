"""The bench for a card: all of it but the card, with the embedded model on a CPU."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from local.bench import full
from local.bench.cards import forward_flop, video_tokens
from local.bench.full import FULL, META, Shapes
from local.bench.gpu import Asked, bench_gpu, bench_model
from local.bench.refusal import Refused
from runner.render.model import Model

PHASES = ("encoding_prompt", "denoising", "decoding", "encoding_video")


def test_both_ways_to_render_are_timed(model: Model, tmp_path: Path) -> None:
    figures = bench_model(model, tmp_path, Asked("128x96", frames=5, steps=2), print)
    assert figures["gpu"] is None
    for mode in ("text", "picture"):
        for phase in PHASES:
            assert figures[f"{mode}_{phase}_allocated_gib"] is None
            assert float(figures[f"{mode}_{phase}_s"] or 0) >= 0
        step_s = float(figures[f"{mode}_step_s"] or 0)
        assert 0 < step_s < float(figures[f"{mode}_denoising_s"] or 0)
        assert float(figures[f"{mode}_tflops"] or 0) > 0
        assert figures[f"{mode}_share"] is None
    assert float(figures["rss_gib"] or 0) > 0


def test_without_a_card_it_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(Refused, match="GPU"):
        bench_gpu(tmp_path, Asked(), print)


def test_a_model_answers_for_what_nobody_asked(model: Model) -> None:
    usual = Asked().request(model.abilities, "picture")
    assert (usual.width, usual.height, usual.num_frames, usual.steps) == (128, 128, 17, 20)
    assert usual.image


@pytest.mark.parametrize("per_token", [False, True])
def test_the_arithmetic_is_what_torch_counts(*, per_token: bool) -> None:
    """Two blocks stand for thirty, which are all alike."""
    shapes = Shapes(FULL.transformer | {"num_layers": 2}, FULL.vae, FULL.text_encoder)
    tokens, texts = video_tokens(320, 256, 9), 512
    times = tokens if per_token else 1
    latents = torch.empty(1, 48, 3, 16, 20, dtype=torch.bfloat16, device=META)
    texts_in = torch.empty(1, texts, 4096, dtype=torch.bfloat16, device=META)
    time = torch.empty((1, tokens) if per_token else (1,), device=META)
    made = full.transformer(shapes)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        made(latents, time, texts_in, return_dict=False)
    counted = forward_flop(shapes.transformer, tokens, texts, times)
    assert counted == pytest.approx(counter.get_total_flops(), rel=0.001)


def test_a_pass_of_the_5b_at_full_size_is_517_tflop() -> None:
    counted = forward_flop(FULL.transformer, video_tokens(1280, 704, 121), 512)
    assert counted == pytest.approx(517e12, rel=0.001)
