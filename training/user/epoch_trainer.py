"""Base of the trainers on a user's captioned clips: epochs, steps, the best weights so far.

while trainer.step < trainer.steps:
    trainer.train_step()
trainer.measure()

Every step draws its randomness from the seed and its own number, so a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vidseek.core.captions import CaptionedClip
from vidseek.training.optimisation import rate_factor, set_rate


@dataclass(frozen=True)
class EpochSettings:
    """Settings of any trainer that passes over the training clips in epochs."""

    epochs: int
    """Passes over the training clips."""
    batch: int
    """Clips of a step."""
    warm_up: float = 0.1
    """Share of the steps."""
    gradient_norm: float = 1.0
    seed: int = 1
    """Random seed: of the split, the batches and everything else that is random."""


class ClipData(Protocol):
    """Captioned clips, split into those to train on and those held out."""

    @property
    def clips(self) -> Sequence[CaptionedClip]:
        """All clips that could be read."""

    @property
    def train(self) -> list[int]:
        """Positions of the clips to train on."""

    @property
    def held_out(self) -> list[int]:
        """Positions of the clips to measure with; no video is in both."""


class EpochTrainer(ABC):
    """A module in training, its optimiser and its progress."""

    module_name: ClassVar[str]
    """Key of the module's weights in a checkpoint."""
    order_salt: ClassVar[int]
    """Sets the shuffling of epochs apart from every other random draw of the seed."""

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        settings: EpochSettings,
        data: ClipData,
    ) -> None:
        """Start before the first step.

        Args:
            module: the module to train, on its device.
            optimizer: of the module's parameters.
            settings: epochs, batch size, seed.
            data: the clips.
        """
        self._module, self.optimizer, self._schedule = module, optimizer, settings
        self.data: ClipData = data
        self.batches = max(1, round(len(data.train) / settings.batch))
        """Steps of an epoch."""
        self.steps = settings.epochs * self.batches
        self.step = 0
        self.losses: list[dict[str, float]] = []
        """The losses of each step, by name."""
        self.history: list[dict[str, float]] = []
        """Held-out figures at some steps, the first before any training."""
        self.best: dict[str, Tensor] = {}
        """The best weights so far; empty while the starting weights are the best."""
        self.best_step = 0

    @abstractmethod
    def loss(self) -> tuple[Tensor, dict[str, float]]:
        """The loss of this step, and its parts by name; ``contrast`` is one of them."""

    @abstractmethod
    def held_out_figures(self) -> dict[str, float]:
        """Retrieval figures on the held-out clips, in per cent."""

    def train_step(self) -> dict[str, float]:
        """Do one optimiser step; returns the losses by name."""
        torch.manual_seed(self._schedule.seed * 1_000_003 + self.step)
        self._module.train()
        set_rate(
            self.optimizer, rate_factor(self.step / self.steps, warm_up=self._schedule.warm_up)
        )
        loss, values = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, self._schedule.gradient_norm)
        self.optimizer.step()
        self.step += 1
        self.losses.append({"step": self.step, **values})
        return values

    def batch_positions(self) -> list[int]:
        """Positions of this step's clips: a slice of the epoch's shuffled pass over all."""
        epoch, part = divmod(self.step, self.batches)
        random = np.random.default_rng([self._schedule.seed, self.order_salt, epoch])
        order = random.permutation(len(self.data.train))
        return [self.data.train[i] for i in np.array_split(order, self.batches)[part]]

    def measure(self) -> dict[str, float]:
        """Measure on held-out clips; keep a copy of the weights if they are the best so far."""
        figures = self.held_out_figures()
        best = max((row["mean_reciprocal_rank"] for row in self.history), default=None)
        if best is not None and figures["mean_reciprocal_rank"] > best:
            self.best_step = self.step
            self.best = {
                name: values.detach().cpu().clone()
                for name, values in self._module.state_dict().items()
            }
        self.history.append({"step": self.step, **figures})
        return figures

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            self.module_name: self._module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "history": self.history,
            "best": self.best,
            "best_step": self.best_step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the ``state()`` of an earlier run."""
        self._module.load_state_dict(state[self.module_name])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "losses", "history", "best", "best_step"):
            setattr(self, name, state[name])
