"""Train the copy descriptor: a picture and its edits are near, everything else is far apart.

train_copies(settings, open_pictures(Path(".cache/copies")), Path(".cache/runs/copies"))

SSCD's objective (Pizzi et al., CVPR 2022): InfoNCE, and a term that pushes every vector away from
its nearest neighbour, so that one threshold works everywhere. Differences from SSCD: one side of a
pair is a reference, as in a library; an edited view of two pictures is a copy of both; dissimilar
pictures of one video are negatives of each other; and vectors of earlier batches replace a large
batch. The run is checkpointed; every step draws its randomness from the seed and its own number.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vidseek.training.lab.copies.batches import CopyBatch, CopyBatches, Judged
from vidseek.training.lab.copies.pictures import TrainingPictures
from vidseek.training.lab.copies.settings import CopySettings
from vidseek.training.lab.copies.views import edited_views
from vidseek.training.networks.copy_network import (
    DIMENSION,
    CopyNetwork,
    load_imagenet_copy_network,
)
from vidseek.training.networks.stem import normalise
from vidseek.training.optimisation import (
    parameter_groups,
    rate_factor,
    save_checkpoint,
    set_rate,
)

logger = logging.getLogger(__name__)

CHECKPOINT_STEPS, EVALUATION_STEPS = 50, 150
EVALUATION_PICTURES = 800
"""Background pictures measured during training, one per family."""


class CopyTrainer:
    """Network, optimiser and progress of a run."""

    def __init__(self, settings: CopySettings, pictures: TrainingPictures) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.pictures = settings, pictures
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network: CopyNetwork = load_imagenet_copy_network().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = self._make_optimizer()
        moving = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.network, multi_avg_fn=moving)
        self.batches = CopyBatches(settings, pictures)
        self.queue = torch.zeros(0, DIMENSION, device=self.device)
        self.queue_families = np.zeros(0, np.int64)
        self.step, self.minutes = 0, 0.0
        self.history: list[dict[str, float]] = []

    def _make_optimizer(self) -> torch.optim.AdamW:
        options = self.settings
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        groups = []
        for module in self.network.trained_modules():
            for parameter in module.parameters():
                parameter.requires_grad_(True)
            is_head = module is self.network.project
            groups += parameter_groups(
                module.parameters(),
                peak=options.head_learning_rate if is_head else options.learning_rate,
                weight_decay=options.weight_decay,
            )
        return torch.optim.AdamW(groups)

    # -- a step ------------------------------------------------------------------------------------

    def run_step(self, batch: CopyBatch) -> dict[str, float]:
        """Do one training step; returns the losses by name."""
        rows, judged = batch.rows, batch.judged
        both = batch.views.to(self.device)
        both = normalise(both).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            with torch.no_grad():
                features = self.network.frozen_map(both)
            pooled = self.network.pooled(features)
        vectors = functional.normalize(self.network.project(pooled.float()), dim=-1)
        queries, references = vectors[: len(rows)], vectors[len(rows) :]
        contrast, entropy = self._losses(queries, references, judged, rows)
        loss = contrast + self.settings.entropy * entropy
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, self.settings.gradient_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self._remember(references.detach(), self.pictures.families[rows])
        self.step += 1
        return {
            "loss": float(loss.detach()),
            "contrast": float(contrast.detach()),
            "entropy": float(entropy.detach()),
        }

    def _losses(
        self, queries: Tensor, references: Tensor, judged: Judged, rows: NDArray[np.intp]
    ) -> tuple[Tensor, Tensor]:
        families = self.pictures.families[rows]
        positive = judged.positive.to(self.device)
        ignored = judged.ignored.to(self.device)
        cosines = queries @ references.T
        older = torch.zeros(len(rows), 0, device=self.device)
        if self.step >= self.settings.queue_from_step and len(self.queue):
            related = torch.from_numpy(families[:, None] == self.queue_families[None]).to(
                self.device
            )
            older = (queries @ self.queue.T).masked_fill(related, -1.0)
        forth = self._contrast(cosines, older, positive, ignored)
        back = self._contrast(cosines.T, older[:, :0], positive.T, ignored.T)
        # The entropy term keeps different pictures apart.
        among = (references @ references.T).masked_fill(
            ignored | torch.eye(len(rows), dtype=torch.bool, device=self.device), -1.0
        )
        across = cosines.masked_fill(ignored | positive, -1.0)
        nearest = torch.cat([among.amax(1), torch.cat([across, older], 1).amax(1)])
        distances = (2 - 2 * nearest).clamp(min=1e-4).sqrt()
        return 0.5 * (forth + back), -distances.log().mean()

    def _contrast(
        self, cosines: Tensor, older: Tensor, positive: Tensor, ignored: Tensor
    ) -> Tensor:
        """InfoNCE with several positives, each against all negatives but not against each other."""
        scale = 1 / self.settings.temperature
        negative = cosines.masked_fill(ignored | positive, -1e4)
        against = torch.logsumexp(torch.cat([negative, older], 1) * scale, dim=1, keepdim=True)
        logits = cosines * scale
        losses = torch.logaddexp(logits, against) - logits
        weights = positive.float() / positive.float().sum(1, keepdim=True).clamp(min=1)
        return (losses * weights).sum(1).mean()

    def _remember(self, vectors: Tensor, families: NDArray[np.int64]) -> None:
        size = self.settings.queue
        self.queue = torch.cat([self.queue, vectors])[-size:]
        self.queue_families = np.concatenate([self.queue_families, families])[-size:]

    # -- how good it is ----------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Micro-AP and recall for edited views of pictures that are not trained on."""
        _, first = np.unique(self.pictures.families, return_index=True)
        rows = first[self.pictures.is_background[first]][:EVALUATION_PICTURES]
        random = np.random.default_rng([self.settings.seed, 2**31])
        network = self.average.module
        queries: list[Tensor] = []
        references: list[Tensor] = []
        partners = []
        for start in range(0, len(rows) - 1, self.settings.batch):
            sources = self.batches.load(rows[start : start + self.settings.batch])
            edited = edited_views(sources, self.batches.overlays, random)
            partners.append(np.where(edited.partners < 0, -1, edited.partners + start))
            for pictures, collected in ((edited.pictures, queries), (sources, references)):
                collected.append(self._describe(network, pictures))
        cosines = (torch.cat(queries) @ torch.cat(references).T).numpy()
        count = len(cosines)
        right = np.eye(count, dtype=np.bool_)
        shown = np.concatenate(partners)
        # A view's partner counts neither as right nor as wrong here.
        cosines[np.flatnonzero(shown >= 0), shown[shown >= 0]] = -1.0
        order = np.argsort(-cosines, axis=None)
        hits = right.ravel()[order]
        precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
        return {
            "micro_ap": float(precision[hits].sum() / count),
            "recall_1": float((cosines.argmax(1) == np.arange(count)).mean()),
            "own": float(np.diag(cosines).mean()),
            "other_99.9": float(np.quantile(cosines[~right], 0.999)),
        }

    def _describe(self, network: Any, pictures: Tensor) -> Tensor:
        from vidseek.training.networks.copy_network import PICTURE_SIZE

        if pictures.shape[-1] != PICTURE_SIZE:
            size = (PICTURE_SIZE, PICTURE_SIZE)
            pictures = functional.interpolate(pictures, size, mode="area")
        ready = normalise(pictures).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            pooled = network.pooled(network.frozen_map(ready))
        vectors: Tensor = functional.normalize(network.project(pooled.float()), dim=-1)
        return vectors.cpu()

    # -- progress ----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "queue": self.queue,
            "queue_families": torch.from_numpy(self.queue_families),
            "step": self.step,
            "minutes": self.minutes,
            "history": self.history,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.queue = state["queue"].to(self.device)
        self.queue_families = state["queue_families"].numpy()
        self.step, self.minutes = state["step"], state["minutes"]
        self.history = state["history"]


def train_copies(settings: CopySettings, pictures: TrainingPictures, run: Path) -> CopyTrainer:
    """Train, or continue training, until the budget is used up.

    Args:
        settings: settings of the run.
        pictures: the training pictures.
        run: folder of the checkpoint and of ``copies.json``, the run's history.
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "copies.pt"
    trainer = CopyTrainer(settings, pictures)
    if checkpoint.exists():
        trainer.load(torch.load(checkpoint, map_location="cpu", weights_only=True))
        logger.info("continuing at step %d", trainer.step)
    else:
        _record(trainer, run, {})
    before, started = trainer.minutes, time.monotonic()
    for batch in trainer.batches.from_step(trainer.step):
        used = settings.budget.used(minutes=trainer.minutes, steps=trainer.step)
        if used >= 1:
            break
        set_rate(trainer.optimizer, rate_factor(used, warm_up=settings.warm_up))
        losses = trainer.run_step(batch)
        trainer.minutes = before + (time.monotonic() - started) / 60
        if trainer.step % 10 == 0:
            pace = trainer.minutes * 60 / trainer.step
            left = trainer.minutes / max(used, 1e-6) - trainer.minutes
            text = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            logger.info("step %d, %.1f s a step, %.0f min left: %s", trainer.step, pace, left, text)
        if trainer.step % EVALUATION_STEPS == 0:
            _record(trainer, run, losses)
        if trainer.step % CHECKPOINT_STEPS == 0:
            save_checkpoint(trainer.state(), checkpoint)
    _record(trainer, run, {})
    save_checkpoint(trainer.state(), checkpoint)
    return trainer


def _record(trainer: CopyTrainer, run: Path, losses: dict[str, float]) -> None:
    measured = {"step": float(trainer.step), **losses, **trainer.evaluate()}
    trainer.history.append(measured)
    (run / "copies.json").write_text(json.dumps(trainer.history, indent=1))
    logger.info(", ".join(f"{name} {value:.4g}" for name, value in measured.items()))
