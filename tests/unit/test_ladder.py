"""When memory runs out while decoding: the next, smaller way, and the same film."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanPipeline
from structlog.testing import capture_logs

from jobstore.job import Phase, Request
from runner.render import film
from runner.render.decode import Bands, Frames, decode
from runner.render.ladder import NARROW, Rung, bands, descend
from runner.render.model import Model

Ask = Callable[..., Request]


@contextmanager
def no_room(model: Model, times: int, *, after: int = 0) -> Iterator[None]:
    """Let the decoder run out of memory so many times, each after some latent frames.

    Only a GPU raises this error, and none is here: the real decoder is stopped by a hook in its
    place. That the same call then has room on the next rung is what cannot be run here.
    """
    left, calls = times, 0

    def overflow(_module: object, _given: object) -> None:
        nonlocal left, calls
        calls += 1
        if left and calls > after:
            left, calls = left - 1, 0
            raise torch.OutOfMemoryError

    vae: Any = model.text.vae
    hook = vae.decoder.register_forward_pre_hook(overflow)
    yield
    hook.remove()


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [
        (704, 1280, Bands(768, 640)),
        (1280, 704, Bands(768, 640)),
        (928, 960, Bands(608, 480)),
        (704, 768, Bands(768, 768)),
        (128, 128, Bands(128, 128)),
    ],
)
def test_a_frame_is_cut_in_two_or_not_at_all(height: int, width: int, wanted: Bands) -> None:
    """No band has more than 6 % above those of the largest frame, whatever the shape."""
    cut = bands(Rung.WIDE, height, width)
    assert cut == wanted
    assert cut.size * min(height, width) <= 1.06 * 704 * 768
    assert bands(Rung.NARROW, height, width) == bands(Rung.ALONE, height, width) == NARROW


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_each_time_memory_runs_out_it_begins_again_with_less(
    model: Model, ask: Ask, tmp_path: Path, times: int, after: int
) -> None:
    """Also when frames have been handed on: the writer gets all of them again."""
    written: list[list[int]] = []
    told: list[tuple[Phase, int]] = []

    def write(pieces: Iterator[Frames]) -> None:
        written.append([])
        for piece in pieces:
            written[-1].append(len(piece))

    with no_room(model, times, after=after), capture_logs() as logs:
        reached = film.render(
            model, ask(), tmp_path, lambda phase, done: told.append((phase, done)), write
        )
    assert reached is list(Rung)[times]
    assert written == [[1][:after]] * times + [[1, 4]]
    assert [entry["rung"] for entry in logs] == list(Rung)[:times]
    assert {entry["event"] for entry in logs} <= {"decode.overflowed"}
    assert told.count((Phase.DECODING, 0)) == times + 1
    assert told[-1] == (Phase.ENCODING_VIDEO, 0)


def test_the_last_rung_raises_and_the_transformer_is_back(model: Model) -> None:
    """Where it was, whatever happened; what the decode had allocated is not held by its error."""
    transformer: Any = model.text.transformer
    latents = torch.zeros(1, 48, 2, 4, 8)
    sizes: list[int] = []

    def attempt(cut: Bands) -> None:
        sizes.append(cut.size)
        for _piece in decode(model, latents, cut, lambda _percent: None):
            pass

    with no_room(model, 3, after=1), pytest.raises(torch.OutOfMemoryError) as raised:
        descend(model, 1280, 704, attempt)
    assert sizes == [768, 384, 384]
    assert {weight.device for weight in transformer.parameters()} == {model.device}
    frames = raised.traceback
    assert not [frame for frame in frames if frame.name == "decode"]
    descend(model, 1280, 704, attempt)


class Moved(torch.nn.Linear):
    """Stands where the transformer stands, and tells where it is asked to go."""

    def __init__(self, asked: list[str]) -> None:
        super().__init__(1, 1)
        self.asked = asked

    def to(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(f"to {args[0]}")
        return super().to(*args, **kwargs)


def test_only_the_last_rung_moves_the_transformer(model: Model) -> None:
    """On a machine without a card there is no second place, so only the asking can be seen."""
    asked: list[str] = []
    text = WanPipeline(**model.text.components | {"transformer": Moved(asked)})
    model = replace(model, text=text)

    def attempt(cut: Bands) -> None:
        asked.append(str(cut.size))
        if len(asked) < 4:
            raise torch.OutOfMemoryError

    assert descend(model, 704, 1280, attempt) is Rung.ALONE
    assert asked == ["768", "384", "to cpu", "384", f"to {model.device}"]


def test_another_error_takes_no_rung(model: Model) -> None:
    def attempt(_cut: Bands) -> None:
        raise InterruptedError

    with capture_logs() as logs, pytest.raises(InterruptedError):
        descend(model, 704, 1280, attempt)
    assert logs == []


def test_narrow_bands_look_like_one(model: Model) -> None:
    """The seams are blended: no pixel of a frame of the embedded model is far from the whole."""
    latents = torch.randn(1, 48, 2, 4, 32, generator=torch.Generator().manual_seed(1))

    def frames(cut: Bands) -> Frames:
        return np.concatenate(list(decode(model, latents, cut, lambda _percent: None)))

    whole = frames(Bands(512, 512)).astype(int)
    assert np.abs(frames(NARROW).astype(int) - whole).mean() < 4
