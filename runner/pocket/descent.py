"""How both networks are trained: Muon and AdamW, a moving average, steps that can be resumed."""

import copy
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn import Parameter

WARM_UP = 40
LAST_RATE = 0.02
EVERY = 100


@dataclass(frozen=True)
class Course:
    """How far and how fast: `average` is the share the moving average keeps at each step."""

    steps: int
    rate: float
    average: float
    betas: tuple[float, float]


class Descent:
    """One network on its way down.

    Muon turns the gradient of each matrix (a convolution is one, `[out, in * k]`) into its nearest
    orthogonal matrix; everything else, and the layers named in `plain`, goes by AdamW. The rate
    rises over 40 steps, stays to the middle and falls along a cosine to 2 %.

    Source:
        The VAE's figures were found by trial: at one rate of 2e-3 for 75 s Muon reached 20.8 dB
        where AdamW had 17.6. `match_rms_adamw` lets both share one rate.
    """

    def __init__(self, network: nn.Module, *, plain: Iterable[Parameter], course: Course) -> None:
        """Take the network as it stands."""
        self.network, self.course = network, course
        self.done = 0
        self.average = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()
        apart = set(plain)
        chosen = [each for each in network.parameters() if _matrix(each) and each not in apart]
        self._matrices = [(each, Parameter(each.data.flatten(1))) for each in chosen]
        rest = [each for each in network.parameters() if each not in set(chosen)]
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(
                [flat for _, flat in self._matrices],
                lr=course.rate,
                weight_decay=0.01,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(rest, lr=course.rate, betas=course.betas, weight_decay=0.0),
        )

    def step(self, loss: Tensor) -> None:
        """Go one step down this loss, the gradients averaged over all processes."""
        loss.backward()
        parameters = list(self.network.parameters())
        for each in parameters:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        _share(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for weight, flat in self._matrices:
            flat.grad = cast(Tensor, weight.grad).flatten(1)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.course.rate * _slope(self.done, self.course.steps)
            optimizer.step()
        self.network.zero_grad(set_to_none=True)
        self.done += 1
        keep = min(self.course.average, self.done / (self.done + 10))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)

    def walk(
        self, file: Path, loss_at: Callable[[], Tensor], also: Callable[[], str] = str
    ) -> None:
        """Go all the way from where `file` says, telling how far it is and saving every 100 steps.

        Args:
            file: where the state is kept; its name says what is being trained.
            loss_at: draws the next batch and answers its loss.
            also: measures what else is to be told.
        """
        began, first, recent = time.monotonic(), self.done, 0.0
        while self.done < self.course.steps:
            loss = loss_at()
            self.step(loss)
            recent = 0.99 * recent + 0.01 * loss.item() if recent else loss.item()
            left = self.course.steps - self.done
            if rank() or (self.done % EVERY and left):
                continue
            pace_s = (time.monotonic() - began) / (self.done - first)
            print(
                f"{file.stem} {self.done}/{self.course.steps} loss {recent:.4f} {also()}"
                f"{pace_s:.2f} s a step, {pace_s * left / 60:.0f} min to go",
                flush=True,
            )
            self.save(file)

    def save(self, file: Path) -> None:
        """Write everything needed to go on, whole or not at all."""
        scratch = file.with_suffix(".new")
        state = {
            "done": self.done,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [each.state_dict() for each in self.optimizers],
        }
        torch.save(state, scratch)
        scratch.replace(file)

    def load(self, file: Path) -> None:
        """Go on from what was saved, if anything was."""
        if not file.exists():
            return
        state = torch.load(file, weights_only=True)
        self.done = state["done"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def together(processes: int, work: Path, target: Callable[..., None], *arguments: object) -> None:
    """Run the target in several processes of one thread each, which share their gradients.

    Two processes of one thread are faster here than one of two: the operations are tiny, and a
    thread that waits for another spins.
    """
    os.environ.update(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0", OMP_NUM_THREADS="1")
    meeting = work / "meeting"
    meeting.unlink(missing_ok=True)
    spawn(_one, args=(processes, meeting, target, arguments), nprocs=processes)


def compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Compile a loss for each shape that it is given, where there is a compiler to do it with."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return function
    return torch.compile(function, dynamic=False)


def rank() -> int:
    """Tell which of the processes this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def _one(
    number: int,
    processes: int,
    meeting: Path,
    target: Callable[..., None],
    arguments: tuple[object, ...],
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=number, world_size=processes
    )
    target(*arguments)
    dist.destroy_process_group()


def _share(parameters: list[Parameter]) -> None:
    """Average the gradients over the processes."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return
    gradients = [each.grad for each in parameters if each.grad is not None]
    flat = torch.cat([each.flatten() for each in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(
        gradients, flat.split([each.numel() for each in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def _slope(done: int, steps: int) -> float:
    """Say which share of the rate step `done` of `steps` takes."""
    warm = min(1.0, (done + 1) / WARM_UP)
    fall = min(1.0, max(0.0, (done / steps - 0.45) / 0.55))
    return warm * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * fall)) / 2)


def _matrix(weight: Parameter) -> bool:
    """Tell a matrix from a vector that only has the shape of one, as the gains of a norm do."""
    return weight.ndim > 1 and min(weight.shape[0], weight[0].numel()) > 1
