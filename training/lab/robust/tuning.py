"""Train a branch so that degraded pictures get what the shipped weights give the sharp ones.

tune(ViewCache(Path(".cache/robust")), vision, TuningSettings("tuned"), run, until=deadline)

Every step sees degraded and sharp views of different pictures; both have the same weight, so that
sharp pictures keep their vectors. The pictures' vectors by the shipped weights are known, so the
contrast is with all of them, not with the batch. Distance to the sharp picture's maps, too, gives
81 places of 352 channels to learn from instead of a vector.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vidseek.training.lab.robust.branch import (
    AGREEMENTS,
    Branch,
    BranchName,
    BranchOutput,
    mean_variance,
    relative_error,
)
from vidseek.training.lab.robust.view_cache import CHUNK, POOR_VIEWS, Chunk, ViewCache
from vidseek.training.networks.vision import Vision
from vidseek.training.optimisation import (
    parameter_groups,
    rate_factor,
    save_checkpoint,
    set_rate,
)

logger = logging.getLogger(__name__)

HELD_OUT_CHUNKS = 2
"""The first chunks are not trained on."""
LOOK_EVERY_STEPS = 20
"""How often new chunks are looked for, and losses logged."""
KEEP_EVERY_STEPS = 100


@dataclass(frozen=True)
class TuningSettings:
    """How a branch is trained."""

    branch: BranchName
    poor: int = 22
    """Degraded views in a batch."""
    sharp: int = 10
    """Sharp views in a batch; together they weigh as much as the degraded ones."""
    stem_learning_rate: float = 2e-4
    learning_rate: float = 1e-4
    weight_decay: float = 0.02
    warm_up: float = 0.05
    map_loss: float = 0.5
    pooled_loss: float = 1.0
    gradient_norm: float = 1.0
    seed: int = 1


class Pictures:
    """The cached pictures, and what the shipped weights read from each."""

    def __init__(self, cache: ViewCache, branch: Branch, name: BranchName) -> None:
        self._cache, self._name = cache, name
        # By their values now: the branch is trained, its teacher is not.
        self._readers = [
            {key: value.clone() for key, value in reader.state_dict().items()}
            for reader in branch.readers
        ]
        self._branch = branch
        self.chunks: dict[str, Chunk] = {}
        """By name, in the order in which they were found."""
        self.bank = torch.empty(0)
        """(B, R) read from the sharp views."""

    def look(self) -> None:
        """Take in chunks that were stored since the last look."""
        fresh = [name for name in self._cache.names() if name not in self.chunks]
        if fresh:
            self.chunks |= {name: self._cache.read(name) for name in fresh}
            pooled = np.concatenate([self._pooled(self.chunks[name]) for name in fresh])
            read = self._read(torch.from_numpy(pooled.astype(np.float32)))
            self.bank = torch.cat([self.bank, read]) if len(self.bank) else read

    @torch.no_grad()
    def _read(self, pooled: Tensor) -> Tensor:
        found: Tensor = sum(
            torch.func.functional_call(reader, state, (pooled,))
            for reader, state in zip(self._branch.readers, self._readers, strict=True)
        )
        return found

    def _pooled(self, chunk: Chunk) -> NDArray[np.float16]:
        return chunk.pooled if self._name == "tuned" else chunk.names_pooled

    def batch(self, places: NDArray[np.intp], views: NDArray[np.intp]) -> _Batch:
        """Views of pictures and what is wanted of them."""
        pairs = [divmod(int(place), CHUNK) for place in places]
        tuned, chunks = self._name == "tuned", list(self.chunks.values())
        fine, coarse, pooled, aligned = [], [], [], []
        for (number, row), view in zip(pairs, views, strict=True):
            chunk = chunks[number]
            fine.append(chunk.fine[row, view])
            coarse.append((chunk.coarse if tuned else chunk.names_coarse)[row])
            pooled.append(self._pooled(chunk)[row])
            aligned.append(float(chunk.aligned[row, view]))
        return _Batch(
            fine=_tensor(fine).permute(0, 3, 1, 2),
            coarse=_tensor(coarse).permute(0, 3, 1, 2),
            pooled=_tensor(pooled),
            aligned=torch.tensor(aligned),
            places=torch.from_numpy(places),
        )


@dataclass(frozen=True)
class _Batch:
    fine: Tensor
    coarse: Tensor
    pooled: Tensor
    aligned: Tensor
    places: Tensor


def _tensor(rows: list[NDArray[np.float16]]) -> Tensor:
    return torch.from_numpy(np.stack(rows).astype(np.float32))


class Tuner:
    """A branch, its optimiser and its losses."""

    def __init__(self, cache: ViewCache, vision: Vision, settings: TuningSettings) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.branch = Branch.of(vision, settings.branch)
        self.pictures = Pictures(cache, self.branch, settings.branch)
        self.pictures.look()
        first = self.pictures.batch(np.arange(2 * CHUNK), np.zeros(2 * CHUNK, np.intp))
        self._spreads = (
            mean_variance(first.coarse.permute(0, 2, 3, 1)),
            mean_variance(first.pooled),
        )
        stem = [*self.branch.blocks.parameters(), *self.branch.last.parameters()]
        decay = settings.weight_decay
        self.optimizer = torch.optim.AdamW(
            parameter_groups(stem, peak=settings.stem_learning_rate, weight_decay=decay)
            + parameter_groups(
                self.branch.readers.parameters(), peak=settings.learning_rate, weight_decay=decay
            )
        )

    def losses(self, output: BranchOutput, batch: _Batch) -> Tensor:
        """(N,) the loss of every view."""
        bank = self.pictures.bank
        agreement = AGREEMENTS[self.settings.branch]
        maps = relative_error(output.coarse, batch.coarse, self._spreads[0]) * batch.aligned
        pooled = relative_error(output.pooled, batch.pooled, self._spreads[1])
        return (
            agreement(output.read, bank[batch.places], bank, batch.places)
            + self.settings.map_loss * maps
            + self.settings.pooled_loss * pooled
        )

    def step(self, number: int, used: float) -> tuple[float, float]:
        """Do one step; returns the mean loss of degraded and of sharp views."""
        settings = self.settings
        random = np.random.default_rng([settings.seed, number])
        set_rate(self.optimizer, rate_factor(used, warm_up=settings.warm_up))
        pool = np.arange(HELD_OUT_CHUNKS * CHUNK, len(self.pictures.chunks) * CHUNK)
        places = random.choice(pool, settings.poor + settings.sharp, replace=False)
        views = random.integers(1, 1 + POOR_VIEWS, len(places))
        views[settings.poor :] = 0
        batch = self.pictures.batch(places, views)
        losses = self.losses(self.branch(batch.fine), batch)
        poor, sharp = losses[: settings.poor].mean(), losses[settings.poor :].mean()
        self.optimizer.zero_grad(set_to_none=True)
        (poor + sharp).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.branch.parameters(), settings.gradient_norm)
        self.optimizer.step()
        return float(poor.detach()), float(sharp.detach())

    @torch.no_grad()
    def held_out(self) -> tuple[float, float]:
        """Mean loss of degraded and of sharp views of pictures that are not trained on."""
        count = HELD_OUT_CHUNKS * CHUNK
        found = []
        for view in (1, 0):
            batch = self.pictures.batch(np.arange(count), np.full(count, view))
            found.append(float(self.losses(self.branch(batch.fine), batch).mean()))
        return found[0], found[1]


def tune(
    cache: ViewCache, vision: Vision, settings: TuningSettings, run: Path, *, until: float
) -> None:
    """Train a branch of ``vision``, in place, until a time; continues an interrupted run.

    A checkpoint of the branch's weights alone is where a new run starts.

    Args:
        cache: at least three chunks; more may be added meanwhile.
        vision: as it ships.
        settings: of the training.
        run: folder of the checkpoint ``BRANCH.pt``.
        until: when to end, by ``time.time()``; the learning rate falls to zero by then.
    """
    run.mkdir(parents=True, exist_ok=True)
    file = run / f"{settings.branch}.pt"
    tuner = Tuner(cache, vision, settings)
    number, before = 0, 0.0
    if file.exists():
        state = torch.load(file, weights_only=True)
        tuner.branch.load_state_dict(state["branch"])
        if "optimizer" in state:  # otherwise only weights were kept, to start from
            tuner.optimizer.load_state_dict(state["optimizer"])
            number, before = state["step"], state["used"]
    started, recent = time.time(), list[tuple[float, float]]()
    used = before
    while used < 1.0:
        if number % LOOK_EVERY_STEPS == 0:
            tuner.pictures.look()
            if recent:
                logger.info("step %d: poor %.3f, sharp %.3f", number, *np.mean(recent, axis=0))
            recent = []
        if number % KEEP_EVERY_STEPS == 0:
            logger.info("%.0f %%, held out: poor %.3f, sharp %.3f", 100 * used, *tuner.held_out())
            _keep(tuner, file, number, used)
        recent.append(tuner.step(number, used))
        number += 1
        used = before + (1.0 - before) * (time.time() - started) / max(until - started, 1.0)
    logger.info("step %d, held out: poor %.3f, sharp %.3f", number, *tuner.held_out())
    _keep(tuner, file, number, 1.0)


def _keep(tuner: Tuner, file: Path, number: int, used: float) -> None:
    state = {
        "branch": tuner.branch.state_dict(),
        "optimizer": tuner.optimizer.state_dict(),
        "step": number,
        "used": used,
    }
    save_checkpoint(state, file)
