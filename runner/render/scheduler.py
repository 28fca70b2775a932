"""Schedulers that can say where they stand after a step, and go on from there.

The stock pipelines know nothing of it: when they ask for the timesteps they are shown those that
are left, and from the first step on the scheduler has the whole list again, by whose length it
knows where the end is.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

State = dict[str, torch.Tensor]


class Resuming(ABC):
    """What is mixed into a scheduler of diffusers so that it can go on after any step."""

    timesteps: torch.Tensor
    _step_index: int | None
    _left_off: tuple[int, State] | None = None
    _whole: torch.Tensor | None = None

    @abstractmethod
    def state(self) -> State:
        """Tell all that the next step will need, besides the latents: the tensors themselves."""

    def resume(self, step: int, state: State) -> None:
        """Let the next render go on after so many finished steps."""
        self._left_off = (step, state)

    @abstractmethod
    def _restore(self, state: State, device: Any) -> None: ...

    def set_timesteps(self, *args: Any, device: Any = None, **wanted: Any) -> None:
        """Do as the scheduler itself; then show only the timesteps that are left."""
        stock: Any = super()
        stock.set_timesteps(*args, device=device, **wanted)
        if self._left_off is not None:
            self._step_index, state = self._left_off
            self._left_off = None
            self._restore(state, device)
            self._whole = self.timesteps
            self.timesteps = self.timesteps[self._step_index :]

    def step(self, *args: Any, **wanted: Any) -> Any:
        """Do as the scheduler itself, with the whole list of timesteps."""
        if self._whole is not None:
            self.timesteps, self._whole = self._whole, None
        stock: Any = super()
        return stock.step(*args, **wanted)


class UniPC(Resuming, UniPCMultistepScheduler):
    """The scheduler of the model: it looks back at the outputs of earlier steps."""

    def state(self) -> State:
        """Tell what it keeps of earlier steps."""
        lists = {"model_outputs": self.model_outputs, "timestep_list": self.timestep_list}
        state = {
            f"{name}.{place}": tensor
            for name, tensors in lists.items()
            for place, tensor in enumerate(tensors)
            if tensor is not None
        }
        numbers = {"lower_order_nums": self.lower_order_nums, "this_order": self.this_order}
        state |= {name: torch.tensor(number) for name, number in numbers.items()}
        return {**state, "last_sample": self.last_sample}

    def _restore(self, state: State, device: Any) -> None:
        for name in ("model_outputs", "timestep_list"):
            places = [state.get(f"{name}.{place}") for place in range(self.config.solver_order)]
            setattr(self, name, [None if it is None else it.to(device) for it in places])
        self.lower_order_nums = int(state["lower_order_nums"])
        self.this_order = int(state["this_order"])
        self.last_sample = state["last_sample"].to(device)


class DMD(Resuming, FlowMatchEulerDiscreteScheduler):
    """A few steps for a model distilled to them: each guesses the end, and adds noise again."""

    noise: torch.Generator
    noise_levels: list[float]

    @classmethod
    def drawing_from(cls, noise: torch.Generator, sigmas: Sequence[float]) -> "DMD":
        """Make one for a render, which draws on where its first noise ended.

        The pipelines do not hand their generator on to a scheduler: it would draw from that of the
        whole process. Nor do they ask for sigmas.
        """
        made = cls(shift=1.0, stochastic_sampling=True)
        made.noise, made.noise_levels = noise, list(sigmas)
        return made

    def state(self) -> State:
        """Tell where the generator stands."""
        return {"noise": self.noise.get_state()}

    def _restore(self, state: State, _device: Any) -> None:
        self.noise.set_state(state["noise"])

    def set_timesteps(self, *_asked: Any, device: Any = None, **_wanted: Any) -> None:
        """Take the steps it was distilled for, whatever was asked."""
        super().set_timesteps(sigmas=self.noise_levels, device=device)

    def step(self, *args: Any, **wanted: Any) -> Any:
        """Draw the noise from our own generator."""
        return super().step(*args, **wanted, generator=self.noise)
