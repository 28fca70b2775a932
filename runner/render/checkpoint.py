"""The file of a checkpoint: where a render stood after a step, so that it can go on from there.

`work/<job_id>.<fence>.ckpt`, of which each claim has its own. It is taken only if it is whole and
was made for the very same render; an update of wan22 alone keeps it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from structlog.stdlib import get_logger

from jobstore.abilities import Abilities
from jobstore.files import write_whole
from jobstore.job import Job
from jobstore.jobs import is_last_try

log = get_logger()

FORMAT = 1
SUFFIX = ".ckpt"
LATENTS = "latents"
SCHEDULER = "scheduler."

Identity = Mapping[str, str]


class Refused(Exception):
    """A file is no checkpoint of this render; the message says why. Do without it."""


@dataclass(frozen=True)
class Checkpoint:
    """Latents and the state of the scheduler after so many finished steps."""

    step: int
    latents: torch.Tensor
    scheduler: Mapping[str, torch.Tensor]

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All of them, by the names they have in the file."""
        named = {f"{SCHEDULER}{name}": tensor for name, tensor in self.scheduler.items()}
        return {LATENTS: self.latents, **named}

    @property
    def size_bytes(self) -> int:
        """How much memory the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def is_finite(self) -> bool:
        """Tell whether there is no NaN and no infinity in it; what has one is good for nothing."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.tensors.values())

    def copied(self) -> "Checkpoint":
        """Copy it to this machine's memory, where nothing changes it any more."""
        copies = {name: tensor.to("cpu", copy=True) for name, tensor in self.scheduler.items()}
        return Checkpoint(self.step, self.latents.to("cpu", copy=True), copies)


def identity(job: Job, abilities: Abilities) -> Identity:
    """Say what decides the latents of a render: only one that agrees in all of it may go on.

    The last try of a job begins anew: what crashes or fails may come from what was kept. The shift
    stands in the description of the model, where it may change while the weights stay.
    """
    asked = job.request.model_dump_json(exclude={"metadata"})  # it changes no pixel
    return {
        "format": str(FORMAT),
        "request": hashlib.sha256(asked.encode()).hexdigest(),
        "revision": abilities.revision,
        "mode": "image" if job.request.image else "text",
        "flow_shift": str(abilities.flow_shift),
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
        "last_try": str(is_last_try(job)),
    }


def path_of(folder: Path, job: Job) -> Path:
    """Name the checkpoint of a claim."""
    return folder / f"{job.job_id}.{job.fence}{SUFFIX}"


def write(path: Path, whose: Identity, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder is gone.
    """
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    label = {**whose, "step": str(checkpoint.step)}
    write_whole(path, save(tensors, {**label, "sha256": digest(label, tensors)}))


def read(path: Path, whose: Identity) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        Refused: it is broken, or that of another render.
    """
    try:
        with safe_open(path, framework="pt") as file:
            label: dict[str, str] = file.metadata() or {}
            wrong = sorted(name for name in whose if label.get(name) != whose[name])
            if wrong:
                message = f"it was made for another {', '.join(wrong)}"
                raise Refused(message)
            names = file.keys()
            tensors = {name: file.get_tensor(name).clone() for name in names}
        if label.pop("sha256", None) != digest(label, tensors):
            message = "its content is not what was written"
            raise Refused(message)
    except (OSError, SafetensorError) as error:
        raise Refused(str(error)) from error
    return Checkpoint(
        int(label["step"]),
        tensors.pop(LATENTS),
        {name.removeprefix(SCHEDULER): tensor for name, tensor in tensors.items()},
    )


def find(folder: Path, job_id: str, whose: Identity) -> Checkpoint | None:
    """Read the checkpoint of a job that is furthest, whichever claim made it.

    One of a holder that was shut out is as good as any: the same render gives the same latents.
    """
    found = []
    for path in sorted(folder.glob(f"{job_id}.*{SUFFIX}")):
        try:
            found.append(read(path, whose))
        except Refused as error:
            log.warning("checkpoint.refused", file=path.name, reason=str(error))
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def digest(label: Mapping[str, str], tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash everything a checkpoint says."""
    sha256 = hashlib.sha256(json.dumps(label, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        kind: list[Any] = [name, str(tensor.dtype), list(tensor.shape)]
        sha256.update(json.dumps(kind).encode())
        sha256.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()
