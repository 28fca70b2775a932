"""What is broken is not published, each fault for its own reason; what is good is not blamed.

Every fault is made by breaking one real thing: weights, an answer of a part, the file.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from faults_put_in import dark, decoder_answers, decoder_part, one_nan, stuck, weight, zeroed
from jobstore.job import Phase, Request
from runner.pocket import captions
from runner.pocket.measure import Asked, prompts
from runner.render import film, video
from runner.render.decode import Frames
from runner.render.judgement import BLACK, FLAT, STILL, Eye, Reason, Rejected, watched
from runner.render.ladder import Rung
from runner.render.mode import SAFE, USUAL
from runner.render.model import Model, decode_in

Ask = Callable[..., Request]
Fault = Callable[[Model], AbstractContextManager[None]]
FAULTS: dict[str, tuple[Fault, Reason, str]] = {
    "a weight of the transformer is NaN": (
        lambda model: weight(transformer(model).proj_out, one_nan),
        Reason.NOT_FINITE,
        "latents after step 1",
    ),
    "a weight of the decoder is NaN": (
        lambda model: weight(decoder_part(model, "conv_out"), one_nan),
        Reason.NOT_FINITE,
        "decoded frames",
    ),
    "the decoder goes to the bottom": (
        lambda model: weight(decoder_part(model, "conv_out"), dark),
        Reason.BLACK,
        "brighter than 0",
    ),
    "the decoder's last layer is empty": (
        lambda model: weight(decoder_part(model, "conv_out"), zeroed),
        Reason.FLAT,
        "spread over 0",
    ),
    "the decoder is stuck": (
        lambda _model: decoder_answers(stuck(), calls=9),
        Reason.FROZEN,
        "changes by more than 0",
    ),
}


def transformer(model: Model) -> Any:
    return model.text.transformer


def silent(_phase: Phase, _step: int) -> None:
    """Tell nobody."""


def whole(pieces: Iterator[Frames]) -> Iterator[Frames]:
    return pieces


def publish(
    model: Model,
    request: Request,
    folder: Path,
    cut: Callable[[Iterator[Frames]], Iterator[Frames]] = whole,
) -> None:
    """Do what the stage does before it publishes."""
    file = folder / "clip.mp4"

    def write(pieces: Iterator[Frames]) -> None:
        video.encode(cut(pieces), file, request.fps)

    film.render(model, request, folder, silent, write)
    video.probe(file, (request.num_frames, request.height, request.width), request.fps)


@pytest.mark.parametrize("num_frames", [5, 17])
@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_part_is_caught_for_what_it_does(
    model: Model, ask: Ask, tmp_path: Path, name: str, num_frames: int
) -> None:
    """Long or short, and mended it renders as before."""
    fault, reason, words = FAULTS[name]
    request = ask(num_frames=num_frames)
    with fault(model), pytest.raises(Rejected, match=words) as error:
        publish(model, request, tmp_path)
    assert error.value.reason is reason
    publish(model, request, tmp_path)


def test_latents_that_are_none_are_not_denoised_further(
    model: Model, ask: Ask, tmp_path: Path
) -> None:
    """With a picture as well; a step of the 5B takes about 22 s, and there are 50."""
    Image.new("RGB", (128, 128), "red").save(tmp_path / "J1.png")
    told: list[tuple[Phase, int]] = []
    with weight(transformer(model).proj_out, one_nan), pytest.raises(Rejected):
        film.render(
            model,
            ask(image="J1.png"),
            tmp_path,
            lambda phase, done: told.append((phase, done)),
            lambda _pieces: pytest.fail("there is nothing to write"),
        )
    assert told[-1] == (Phase.DENOISING, 0)


def test_a_video_that_is_cut_short_is_caught(model: Model, ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"be 9 frames .* is 5 frames") as error:
        publish(model, ask(num_frames=9), tmp_path, lambda pieces: islice(pieces, 2))
    assert error.value.reason is Reason.OTHER_VIDEO


def eye_of(model: Model, each: Asked, folder: Path, prompt: str | None = None) -> Eye:
    """Render as the service does by itself, and look at the frames."""
    able, eye = model.abilities, Eye()
    if each.picture is not None:
        Image.fromarray(each.picture).save(folder / "first.png")
    request = Request(
        prompt=captions.prompt(*each.triple) if prompt is None else prompt,
        negative_prompt=able.negative_prompt,
        image=None if each.picture is None else "first.png",
        width=able.size_for(None)[0],
        height=able.size_for(None)[1],
        num_frames=able.num_frames,
        fps=able.fps,
        steps=able.usual.steps,
        guidance_scale=able.usual.guidance_scale,
        seed=each.seed,
    )

    def write(pieces: Iterator[Frames]) -> None:
        for piece in pieces:
            eye.see(piece)

    film.render(model, request, folder, silent, write)
    return eye


@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.long)])
def test_good_clips_are_not_blamed(model: Model, tmp_path: Path, count: int) -> None:
    """With the model's own steps, a fifth of them from a picture; all far from the limits."""
    asked = prompts()
    chosen = [*asked[: count - count // 5], *asked[len(asked) - count // 5 :]]
    eyes = [eye_of(model, each, tmp_path) for each in chosen]
    brightest = min(eye.brightest for eye in eyes)
    spread = min(eye.spread for eye in eyes)
    change = min(eye.change or 0 for eye in eyes)
    print(
        f"figure: least of {len(eyes)} good clips: brightest {brightest} (black: {BLACK}), "
        f"spread {spread} (flat: {FLAT}), change {change} (frozen: {STILL})"
    )
    assert len(eyes) == count
    assert brightest > 20 * BLACK
    assert spread > 20 * FLAT
    assert change > STILL + 20


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_picture_that_stays_is_not_blamed(model: Model, tmp_path: Path, level: int) -> None:
    """Nearly black, gray, nearly white, and nothing happens: it is what was asked for."""
    plain = np.full((128, 128, 3), level, np.uint8)
    eye = eye_of(model, Asked((0, 0, 0), 1, plain), tmp_path, "it stays")
    print(
        f"figure: plain {level}, still: brightest {eye.brightest}, spread {eye.spread}, "
        f"change {eye.change}"
    )


def test_words_that_mean_nothing_are_not_blamed(model: Model, tmp_path: Path) -> None:
    """The darkest and stillest that the embedded model was seen to make."""
    eye = eye_of(model, Asked((0, 0, 0), 1), tmp_path, "nothing")
    print(f"figure: nothing: brightest {eye.brightest}, spread {eye.spread}, change {eye.change}")


def night(moves: int) -> Iterator[Frames]:
    """A lamp of 12 pixels in the dark, in pieces as they are decoded, of 1280x704x121."""
    for index in range(121):
        frame = np.zeros((1, 704, 1280, 3), np.uint8)
        left = 600 + moves * (index // 4)
        frame[:, 300:312, left : left + 12] = 90
        yield frame


def test_a_small_lamp_in_the_dark_is_seen_and_seen_to_move() -> None:
    """Nothing that is wider than the grid slips through; and looking costs little."""
    began = time.process_time()
    assert sum(len(piece) for piece in watched(night(1))) == 121
    took_ms = (time.process_time() - began) / 121 * 1000
    print(f"figure: a frame drawn and looked at: {took_ms:.2f} ms")
    with pytest.raises(Rejected) as error:
        list(watched(night(0)))
    assert error.value.reason is Reason.FROZEN


def test_the_first_frame_does_not_hide_that_the_rest_stands_still() -> None:
    """The picture that was given, and then always the same four frames."""
    dice = np.random.default_rng(1)
    first, four = (dice.integers(0, 256, (n, 64, 64, 3), np.uint8) for n in (1, 4))
    with pytest.raises(Rejected, match="frozen"):
        list(watched([first, four, four, four]))
    list(watched([first, four]))
    list(watched([first]))


def test_the_safe_mode_shows_the_same_and_leaves_the_model_as_it_was(
    model: Model, ask: Ask, tmp_path: Path
) -> None:
    """Its decoder computes in float32, also where it was loaded in bfloat16, in narrow bands."""
    vae: Any = model.text.vae
    kept = {name: value.clone() for name, value in vae.decoder.state_dict().items()}
    seen: list[tuple[Phase, torch.dtype, bool]] = []

    def tell(phase: Phase, _done: int) -> None:
        dtype = vae.decoder.conv_in.weight.dtype
        seen.append((phase, dtype, torch.backends.cuda.cudnn_sdp_enabled()))

    def frames(mode: Any) -> tuple[Rung, Frames]:
        written: list[Frames] = []

        def write(pieces: Iterator[Frames]) -> None:
            written.extend(pieces)

        rung = film.render(model, ask(), tmp_path, tell, write, mode=mode)
        return rung, np.concatenate(written).astype(int)

    usual, wanted = frames(USUAL)
    decode_in(vae, torch.bfloat16)
    seen.clear()
    try:
        safe, found = frames(SAFE)
        assert vae.decoder.conv_in.weight.dtype is torch.bfloat16
    finally:
        decode_in(vae, torch.float32)
        vae.decoder.load_state_dict(kept)
    assert (usual, safe) == (Rung.WIDE, Rung.NARROW)
    assert np.abs(found - wanted).mean() < 2
    for phase, dtype, cudnn in seen:
        decodes = phase in {Phase.DECODING, Phase.ENCODING_VIDEO}
        assert dtype is (torch.float32 if decodes else torch.bfloat16)
        assert cudnn or phase is Phase.DENOISING
    assert (Phase.DENOISING, torch.bfloat16, False) in seen
