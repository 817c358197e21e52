"""The main stage: the visual encoder learns to put pictures where their sentences are.

train_towers(settings, sets, corpus, run=Path(".cache/runs/builtin"))

Symmetric InfoNCE between frame vectors and the frozen sentence vectors, on random crops of cached
maps. The run is checkpointed and goes on where it stopped; every step draws its randomness from the
seed and its own number, so that a resumed run equals an uninterrupted one.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.encoders.model.configuration import VisionConfig
from vidseek.encoders.model.stem import load_imagenet_stem
from vidseek.encoders.model.vision import Vision
from vidseek.encoders.training.cache import STEP, PictureMaps, open_maps
from vidseek.encoders.training.corpus import Corpus
from vidseek.encoders.training.measures import group_means, mean_class_accuracy, ranks, recall
from vidseek.encoders.training.optimisation import (
    parameter_groups,
    rate_factor,
    save_checkpoint,
    set_rate,
)
from vidseek.encoders.training.pictures import (
    EVALUATION_ONLY,
    PictureRow,
    class_caption,
    read_rows,
    row_captions,
)
from vidseek.encoders.training.settings import Settings, TowerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureSet:
    """A set's rows beside its cached maps."""

    name: str
    rows: list[PictureRow]
    maps: PictureMaps

    @classmethod
    def open(cls, data: Path, cache: Path, name: str) -> PictureSet:
        """Open a cached set."""
        return cls(name, read_rows(data, name), open_maps(cache, name))

    def split(self, *names: str) -> list[PictureRow]:
        """The rows of some splits that have something said of them."""
        return [row for row in self.rows if row.split in names and row_captions(row)]


@dataclass(frozen=True)
class Batch:
    """What one step trains on."""

    fine: Tensor
    """(B, 120, C, C) float32, channels last."""
    sentences: Tensor
    """(B, 384) float32."""
    untouched: Tensor
    """(B, 1280) float32: pooled features of the untouched stem, of the whole picture."""


def load_maps(fine: NDArray[np.int8]) -> Tensor:
    """(B, H, W, 120) int8 steps to a (B, 120, H, W) float32 map in channels-last order."""
    return (torch.from_numpy(np.ascontiguousarray(fine)).float() * STEP).permute(0, 3, 1, 2)


class BatchMaker:
    """Draws the batch of a step; the same for the same seed and step."""

    def __init__(
        self, settings: TowerSettings, seed: int, sets: dict[str, PictureSet], corpus: Corpus
    ) -> None:
        self.settings, self.seed, self.sets, self.corpus = settings, seed, sets, corpus
        forbidden = EVALUATION_ONLY & set(sets)
        if forbidden:
            raise ValueError(f"{sorted(forbidden)} measure names never seen and train nothing")
        self.flickr = sets["flickr8k"].split("train")
        videos: dict[str, list[PictureRow]] = {}
        for row in sets["msrvtt"].split("train"):
            videos.setdefault(str(row.group), []).append(row)
        self.videos = list(videos.values())
        classes: dict[str, list[tuple[str, PictureRow]]] = {}
        for name in ("sports100", "caltech101"):
            for row in sets[name].split("train") if name in sets else []:
                classes.setdefault(class_caption(str(row.label)), []).append((name, row))
        self.classes = list(classes.values())

    def _turn(self, step: int, count: int, total: int, salt: int) -> list[int]:
        """The step's share of an endless series of shuffled passes over ``total`` things."""
        chosen: list[int] = []
        for position in range(step * count, (step + 1) * count):
            passes, offset = divmod(position, total)
            if not chosen or offset == 0:
                order = np.random.default_rng([self.seed, salt, passes]).permutation(total)
            chosen.append(int(order[offset]))
        return chosen

    def make(self, step: int) -> Batch:
        """The batch of one step."""
        random = np.random.default_rng([self.seed, step])
        counts = self.settings
        picked: list[tuple[str, PictureRow]] = [
            ("flickr8k", self.flickr[index])
            for index in self._turn(step, counts.flickr8k, len(self.flickr), 1)
        ]
        for index in self._turn(step, counts.msrvtt, len(self.videos), 2):
            frames = self.videos[index]
            picked.append(("msrvtt", frames[random.integers(len(frames))]))
        for index in self._turn(step, min(counts.classes, len(self.classes)), len(self.classes), 3):
            pictures = self.classes[index]
            picked.append(pictures[random.integers(len(pictures))])
        side = int(random.integers(counts.smallest_crop, counts.largest_crop + 1))
        fine = np.empty((len(picked), side, side, 120), np.int8)
        pooled = np.empty((len(picked), 1280), np.float32)
        sentences = np.empty((len(picked), self.corpus.vectors.shape[1]), np.float32)
        for place, (name, row) in enumerate(picked):
            top, left = random.integers(0, 17 - side + 1, 2)
            crop = self.sets[name].maps.fine[row.index, top : top + side, left : left + side]
            fine[place] = crop[:, ::-1] if random.random() < 0.5 else crop
            pooled[place] = self.sets[name].maps.pooled[row.index]
            captions = row_captions(row)
            caption = captions[random.integers(len(captions))]
            sentences[place] = self.corpus.vectors[self.corpus.ids[caption]]
        return Batch(load_maps(fine), torch.from_numpy(sentences), torch.from_numpy(pooled))


class TowerTrainer:
    """Model, optimiser and progress of the main stage."""

    def __init__(self, settings: TowerSettings, *, seed: int, vision: Vision | None = None) -> None:
        torch.manual_seed(seed)
        self.settings, self.seed = settings, seed
        self.vision = Vision(VisionConfig(), load_imagenet_stem()) if vision is None else vision
        self.vision.to(memory_format=torch.channels_last)
        # Only while training: what tokens say in the shared space; how sharp the softmax is.
        self.token_projection = nn.Linear(
            self.vision.config.token_dimension, self.vision.config.projection_size
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.optimizer = self._make_optimizer()
        self.step, self.minutes, self.cpu_minutes = 0, 0.0, 0.0
        self.history: list[dict[str, float]] = []

    def _make_optimizer(self) -> torch.optim.AdamW:
        for parameter in self.vision.stem.parameters():
            parameter.requires_grad_(False)
        stem = [p for module in self.vision.trained_modules() for p in module.parameters()]
        for parameter in stem:
            parameter.requires_grad_(True)
        own = {id(parameter) for parameter in self.vision.stem.parameters()}
        above = [p for p in self.vision.parameters() if id(p) not in own]
        above += [*self.token_projection.parameters(), self.log_scale]
        options = self.settings
        groups = parameter_groups(
            stem, peak=options.stem_learning_rate, weight_decay=options.stem_weight_decay
        )
        groups += parameter_groups(
            above, peak=options.learning_rate, weight_decay=options.weight_decay
        )
        return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.98))

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """All losses of a batch, and their values for the log."""
        options = self.settings
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            output = self.vision(batch.fine)
        scale = self.log_scale.exp().clamp(max=100.0)
        target = torch.arange(len(batch.sentences))

        def contrast(similarity: Tensor) -> Tensor:
            logits = scale * similarity
            return 0.5 * (
                functional.cross_entropy(logits, target)
                + functional.cross_entropy(logits.T, target)
            )

        main = contrast(output.vectors @ batch.sentences.T)
        # Each sentence picks the tokens that speak of it: softmax over the frame's M tokens.
        said = functional.normalize(self.token_projection(output.tokens), dim=-1)
        each = torch.einsum("imd,jd->ijm", said, batch.sentences)
        tokens = contrast(((each * 10.0).softmax(-1) * each).sum(-1))
        classes = self._class_loss(output.pooled, batch.untouched)
        total = main + options.token_loss * tokens + options.class_loss * classes
        return total, {
            "loss": float(main.detach()),
            "token_loss": float(tokens.detach()),
            "class_loss": float(classes.detach()),
        }

    def _class_loss(self, pooled: Tensor, untouched: Tensor) -> Tensor:
        stem, heat = self.vision.stem, self.settings.class_temperature
        with torch.no_grad():
            teacher = (stem.classes(untouched) / heat).log_softmax(-1)
        student = (stem.classes(pooled.float()) / heat).log_softmax(-1)
        return heat**2 * functional.kl_div(student, teacher, log_target=True, reduction="batchmean")

    def train_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser."""
        started, started_cpu = time.monotonic(), time.process_time()
        torch.manual_seed(self.seed * 1_000_003 + self.step)
        self.vision.train()
        used = self.settings.budget.used(minutes=self.minutes, steps=self.step)
        set_rate(self.optimizer, rate_factor(used, warm_up=self.settings.warm_up))
        loss, values = self.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, self.settings.gradient_norm)
        self.optimizer.step()
        self.step += 1
        self.minutes += (time.monotonic() - started) / 60
        self.cpu_minutes += (time.process_time() - started_cpu) / 60
        return values

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "vision": self.vision.state_dict(),
            "token_projection": self.token_projection.state_dict(),
            "log_scale": self.log_scale.detach(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "minutes": self.minutes,
            "cpu_minutes": self.cpu_minutes,
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of another run."""
        self.vision.load_state_dict(state["vision"])
        self.token_projection.load_state_dict(state["token_projection"])
        with torch.no_grad():
            self.log_scale.copy_(state["log_scale"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.minutes = state["step"], state["minutes"]
        self.cpu_minutes, self.history = state["cpu_minutes"], state["history"]


def train_towers(
    settings: Settings, sets: dict[str, PictureSet], corpus: Corpus, *, run: Path
) -> Vision:
    """Train the visual encoder, or go on with it; save it under ``run / "vision"``."""
    trainer = TowerTrainer(settings.towers, seed=settings.seed)
    checkpoint = run / "towers.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=True))
        logger.info("going on at step %d, minute %.1f", trainer.step, trainer.minutes)
    batches = BatchMaker(settings.towers, settings.seed, sets, corpus)
    options = settings.towers
    saved = evaluated = trainer.minutes
    while options.budget.used(minutes=trainer.minutes, steps=trainer.step) < 1.0:
        values = trainer.train_step(batches.make(trainer.step))
        if trainer.step % 10 == 0:
            _log_step(trainer, values)
        if trainer.minutes - evaluated >= options.evaluation_minutes:
            evaluated = trainer.minutes
            trainer.history.append({"step": trainer.step, **evaluate(trainer.vision, sets, corpus)})
            logger.info("%s", trainer.history[-1])
        if trainer.minutes - saved >= options.checkpoint_minutes:
            saved = trainer.minutes
            save_checkpoint(trainer.state(), checkpoint)
    save_checkpoint(trainer.state(), checkpoint)
    trainer.history.append({"step": trainer.step, **evaluate(trainer.vision, sets, corpus)})
    logger.info("%s, %.1f CPU minutes", trainer.history[-1], trainer.cpu_minutes)
    trainer.vision.eval().save_pretrained(run / "vision")
    (run / "towers.json").write_text(
        json.dumps({"cpu_minutes": trainer.cpu_minutes, "history": trainer.history}, indent=1)
    )
    return trainer.vision


def _log_step(trainer: TowerTrainer, values: dict[str, float]) -> None:
    used = trainer.settings.budget.used(minutes=trainer.minutes, steps=trainer.step)
    logger.info(
        "step %d, minute %.1f, eta %.0f min, scale %.1f, %s",
        trainer.step,
        trainer.minutes,
        trainer.minutes * (1.0 - used) / max(used, 1e-6),
        float(trainer.log_scale.detach().exp()),
        ", ".join(f"{name} {value:.3f}" for name, value in values.items()),
    )


@torch.inference_mode()
def encode_maps(
    vision: Vision, maps: PictureMaps, rows: list[PictureRow], *, batch: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 384) frame vectors and (N, M, T) tokens of whole cached maps."""
    vision.eval()
    vectors, tokens = [], []
    for start in range(0, len(rows), batch):
        places = [row.index for row in rows[start : start + batch]]
        output = vision(load_maps(maps.fine[places]))
        vectors.append(output.vectors.numpy())
        tokens.append(output.tokens.numpy())
    return np.concatenate(vectors), np.concatenate(tokens)


def evaluate(vision: Vision, sets: dict[str, PictureSet], corpus: Corpus) -> dict[str, float]:
    """Recall and accuracy on dev and valid rows, for choosing; never on test rows."""
    figures: dict[str, float] = {}
    pictures = sets["flickr8k"].split("dev")
    if pictures:
        vectors, _ = encode_maps(vision, sets["flickr8k"].maps, pictures)
        pairs = [(i, c) for i, row in enumerate(pictures) for c in row.captions]
        queries = corpus.vectors[[corpus.ids[caption] for _, caption in pairs]]
        rank = ranks(queries @ vectors.T, np.array([place for place, _ in pairs]))
        figures |= {f"flickr8k_r{k}": round(recall(rank, k), 2) for k in (1, 5, 10)}
    frames = sets["msrvtt"].split("dev")
    if frames:
        vectors, _ = encode_maps(vision, sets["msrvtt"].maps, frames)
        videos, names = group_means(vectors, [str(row.group) for row in frames])
        caption = {str(row.group): row.captions[0] for row in frames}
        queries = corpus.vectors[[corpus.ids[caption[name]] for name in names]]
        rank = ranks(queries @ videos.T, np.arange(len(names)))
        figures["msrvtt_r10"] = round(recall(rank, 10), 2)
    sports = sets["sports100"].split("valid") if "sports100" in sets else []
    if sports:
        vectors, _ = encode_maps(vision, sets["sports100"].maps, sports)
        labels = [str(row.label) for row in sports]
        classes = sorted(set(labels))
        queries = corpus.vectors[[corpus.ids[class_caption(label)] for label in classes]]
        predicted = [classes[place] for place in (vectors @ queries.T).argmax(1)]
        figures["sports100"] = round(mean_class_accuracy(predicted, labels), 2)
    return figures
