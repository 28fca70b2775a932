"""The transformer of a preset: read from its folder, and one at a time on the device.

A card of 24 GB holds one of them beside what a render needs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from safetensors import SafetensorError

from jobstore.errors import SettingsWrong
from jobstore.settings import NATIVE
from runner.render.ends import Hopeless
from runner.render.weights.manifest import look_at
from runner.render.weights.read import DIFFUSERS, WeightsBroken, opened, paths

REPORTED = ("missing_keys", "unexpected_keys", "mismatched_keys")


class PresetLost(Hopeless):
    """A preset has no weights that can be used; the message says why. The others go on."""

    error_code = "preset_lost"


@dataclass(frozen=True)
class Speed:
    """What may make a transformer faster, and was not measured here: see the settings."""

    attention: str = NATIVE
    compile: bool = False


PLAIN = Speed()


@dataclass
class Transformers:
    """The transformers of one checkpoint.

    `present` is the folder of the one that is on the device, None while there is none.
    """

    folder: Path
    device: torch.device
    speed: Speed = PLAIN
    present: str | None = None

    def look(self, name: str) -> list[Path]:
        """Look whether the one of a folder can be read, and list the files of its weights.

        Raises:
            OSError: no; whatever is on the device can stay there.
        """
        look_at(self.folder, name)
        precision_on(self.device, self.folder / name)
        return paths(self.folder / name, DIFFUSERS)

    def read(self, name: str) -> WanTransformer3DModel:
        """Read the one of a folder onto the device.

        Raises:
            WeightsBroken: a file is missing or broken, or has not just the tensors it should have.
            SettingsWrong: its attention cannot be computed as the settings want.
        """
        folder = self.folder / name
        try:
            # Made while a render goes on they would be of the kind that knows no training, which
            # not everything can be done with.
            with torch.inference_mode(mode=False):
                made, report = WanTransformer3DModel.from_pretrained(
                    folder,
                    dtype=precision_on(self.device, folder),
                    local_files_only=True,
                    output_loading_info=True,
                )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise WeightsBroken(folder, error) from error
        if wrong := {kind: report[kind][:3] for kind in REPORTED if report[kind]}:
            raise WeightsBroken(folder, f"not just the tensors it should have: {wrong}")
        made.to(self.device)
        hurry(made, self.speed)
        self.present = name
        return made


def precision_on(device: torch.device, transformer: Path) -> torch.dtype:
    """Choose what a checkpoint runs in: bfloat16 on a GPU, on a CPU what needs no second copy.

    There the weights of a transformer that is stored in bfloat16 stay the mapped pages of its
    files: those of the 5B would take 19 GiB of memory in float32.

    Raises:
        WeightsBroken: a file of the transformer is missing or broken.
    """
    with opened(transformer, paths(transformer, DIFFUSERS)) as weights:
        half = device.type == "cuda" or weights.holds("BF16")
    return torch.bfloat16 if half else torch.float32


def hurry(transformer: Any, speed: Speed) -> None:
    """Let a transformer compute as the settings want.

    Not `fullgraph`: the hooks of the step cache are not for the compiler (diffusers 0.42.1), and
    with them each block then simply runs as it is.

    Raises:
        SettingsWrong: that kind of attention needs what is not installed here.
    """
    if speed.attention != NATIVE:
        try:
            transformer.set_attention_backend(speed.attention)
        except (RuntimeError, ValueError) as error:
            raise SettingsWrong([f"ATTENTION {speed.attention} cannot be had: {error}"]) from error
    if speed.compile:
        transformer.compile_repeated_blocks()
