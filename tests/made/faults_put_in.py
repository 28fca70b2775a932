"""Faults that are put into a real model: into its weights, or into what its parts answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanDecoder3d
from torch.nn.modules.module import register_module_forward_hook

from runner.render.model import Model


@contextmanager
def weight(module: torch.nn.Module, change: Callable[[Any], object]) -> Iterator[None]:
    """Change the weights of a part in place; afterwards they are what they were."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        change(module)
    try:
        yield
    finally:
        module.load_state_dict(before)


def zeroed(module: Any) -> None:
    for value in module.parameters():
        value.zero_()


def dark(module: Any) -> None:
    """Let the last layer answer less than black, whatever it is given."""
    module.weight.zero_()
    module.bias.fill_(-9)


def one_nan(module: Any) -> None:
    module.weight.view(-1)[0] = torch.nan


def decoder_part(model: Model, name: str) -> torch.nn.Module:
    vae: Any = model.text.vae
    part: torch.nn.Module = getattr(vae.decoder, name)
    return part


@contextmanager
def decoder_answers(
    change: Callable[[torch.Tensor], torch.Tensor], *, calls: int
) -> Iterator[None]:
    """Change the first so many answers of whatever decoder of a VAE runs in this process."""
    left = calls

    def hook(module: torch.nn.Module, _given: Any, answer: Any) -> Any:
        nonlocal left
        if not isinstance(module, WanDecoder3d) or not left:
            return None
        left -= 1
        return change(answer)

    handle = register_module_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def stuck() -> Callable[[torch.Tensor], torch.Tensor]:
    """Make a decoder that answers its last frame again and again: of one, or of four."""
    last: list[torch.Tensor] = []

    def change(answer: torch.Tensor) -> torch.Tensor:
        last.append(answer[:, :, -1:])
        return last[0].expand_as(answer).clone()

    return change
