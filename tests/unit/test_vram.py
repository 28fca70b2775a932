"""What the 5B would take of a card, counted without one."""

import gc
from pathlib import Path

import torch

from local.bench.live import Live
from local.bench.vram import our_peaks

LIMIT_GIB = 20.5  # of 22.06 that torch sees on an A10G; without what cannot be counted here


def test_every_phase_of_the_5b_fits_a_card_of_24_gb(tmp_path: Path) -> None:
    peaks = our_peaks(tmp_path)
    for peak in peaks.values():
        print(f"figure: vram: {peak.phase}: {peak.whole:.2f} GiB, counted without a card")
        assert 9.33 + 1.59 < peak.whole < LIMIT_GIB
    assert peaks["t2v"].whole < peaks["i2v"].whole
    assert peaks["decode_narrow"].whole < peaks["decode"].whole


def test_what_is_alive_is_counted_and_nothing_else() -> None:
    weight = torch.empty(10, 100, device="meta")
    with Live(lambda tensor: tensor.device.type == "meta") as live:
        turned = weight.t()
        assert (turned.shape, live.bytes) == ((100, 10), 0)
        first = torch.empty(1000, device="meta")
        view = first.view(10, 100)[2:]
        assert live.bytes == 4000
        second = view.to(torch.bfloat16) + 1
        del first
        assert live.bytes == 4000 + 800 * 2
        assert live.peak_bytes == 4000 + 2 * 800 * 2
        del view
        assert live.bytes == 800 * 2
        there = second.cpu()
        assert (there.device.type, there.dtype, there.shape) == ("cpu", torch.bfloat16, (8, 100))
        del second
        gc.collect()
        assert live.bytes == 0


def test_attention_counts_as_a_card_computes_it() -> None:
    """In half precision a GPU makes no table of all pairs of tokens."""
    for precision, table in ((torch.bfloat16, 0), (torch.float32, 4096 * 4096 * 4)):
        token = torch.empty(1, 1, 4096, 64, dtype=precision, device="meta")
        with torch.inference_mode(), Live(lambda tensor: tensor.device.type == "meta") as live:
            torch.nn.functional.scaled_dot_product_attention(token, token, token)
        assert live.peak_bytes >= table
        assert live.peak_bytes < 3 * table or live.peak_bytes < 2**20
