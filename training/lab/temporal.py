"""The second stage: temporal attention is trained on frames of real videos, on frozen towers.

train_temporal(settings, train, dev, corpus, run=run, seed=1)

The data has two to four frames per video, in order but without times; they are assumed a few
seconds apart. So few frames teach little about time, so there are side tasks: whether a video's
frames are in order, reversed or shuffled, and how the camera moves in clips made from stills
(`pan_augmentation.py`). If the result is no better than the mean on the dev videos, the module is
saved with its output still zero, which equals the mean. The ablations are logged and stored in the
run's temporal.json.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.lab.corpus import Corpus
from vidseek.training.lab.encoded_items import ItemBank
from vidseek.training.lab.pan_augmentation import FRAMES, KINDS, draw_pans
from vidseek.training.lab.settings import TemporalSettings
from vidseek.training.metrics import mean_reciprocal_rank, ranks, recall
from vidseek.training.networks.configuration import TemporalConfig
from vidseek.training.networks.temporal import Temporal
from vidseek.training.optimisation import (
    parameter_groups,
    rate_factor,
    set_rate,
    symmetric_infonce,
)
from vidseek.training.padding import pad_items

logger = logging.getLogger(__name__)

SCALE = 20.0
"""Factor on cosines before the softmax."""
SECONDS_APART = 3.0
EVALUATION_STEPS = 25
PATIENCE_STEPS = 500
"""The stage ends early after this many steps without a better figure."""
ORDERS = ("in order", "reversed", "shuffled")
ORDERED_FRAMES = 4
"""Frames of the videos used for the order task: fewer have no shuffle that is neither in order nor
reversed."""


@dataclass(frozen=True)
class Movements:
    """Clips of a moving camera and the captions of their pictures."""

    clips: NDArray[np.float32]
    """(N, 3, 5, 384) from ``pan_clips``."""
    sentences: list[tuple[int, ...]]
    """For each picture the positions of its captions in the corpus."""


@dataclass(frozen=True)
class TemporalData:
    """Data to train the stage on, or to measure it with."""

    bank: ItemBank
    """Only the videos among its items are used."""
    pans: Movements


class TemporalTrainer:
    """Temporal attention, the heads of the side tasks, and their losses."""

    def __init__(self, settings: TemporalSettings, *, seed: int) -> None:
        torch.manual_seed(seed)
        self.settings, self.seed = settings, seed
        self.temporal = Temporal(TemporalConfig(hidden_dropout_prob=0.2))
        width = self.temporal.config.hidden_size
        self.order, self.movement = nn.Linear(width, len(ORDERS)), nn.Linear(width, len(KINDS))
        modules = (self.temporal, self.order, self.movement)
        self.parameters = [p for module in modules for p in module.parameters()]
        self.optimizer = torch.optim.AdamW(
            parameter_groups(
                self.parameters, peak=settings.learning_rate, weight_decay=settings.weight_decay
            )
        )

    def train_step(self, step: int, used: float, train: TemporalData, corpus: Corpus) -> float:
        """Do one step; returns the contrastive loss of videos and captions."""
        bank, pans = train.bank, train.pans
        random = np.random.default_rng([self.seed, 11, step])
        torch.manual_seed(self.seed * 1_000_003 + step)
        self.temporal.train()
        set_rate(self.optimizer, rate_factor(used, warm_up=self.settings.warm_up))
        videos = bank.of_kind("msrvtt")
        chosen = random.choice(videos, min(self.settings.batch, len(videos)), replace=False)
        spacing = SECONDS_APART * float(random.uniform(0.5, 2.0))
        said = _sentences([bank.sentences[place] for place in chosen], corpus, random)
        retrieval = _contrast(self.temporal(*_clips(bank, chosen, spacing)), said)
        total = retrieval
        vectors, order = shuffled_frames(bank, random, self.settings.batch)
        if len(vectors):
            total = total + self.settings.side_loss * functional.cross_entropy(
                self.order(self.temporal.attend(*_evenly(vectors, spacing))),
                torch.from_numpy(order),
            )
        pictures = random.permutation(len(pans.clips))[: self.settings.batch]
        if len(pictures):
            moving, kinds = draw_pans(pans.clips, pictures, random)
            inputs = _evenly(moving, spacing / FRAMES)
            said = _sentences([pans.sentences[place] for place in pictures], corpus, random)
            seen = self.movement(self.temporal.attend(*inputs))
            total = (
                total
                + self.settings.side_loss * functional.cross_entropy(seen, torch.from_numpy(kinds))
                + _contrast(self.temporal(*inputs), said)
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return float(retrieval.detach())

    @torch.inference_mode()
    def side_accuracy(self, dev: TemporalData) -> dict[str, float]:
        """Accuracy in per cent of the side tasks on dev rows; chance is 33 and 14."""
        pans = dev.pans
        self.temporal.eval()
        random = np.random.default_rng(0)
        figures = {}
        vectors, order = shuffled_frames(dev.bank, random, 10_000)
        if len(vectors):
            guess = self.order(self.temporal.attend(*_evenly(vectors, SECONDS_APART))).argmax(1)
            figures["order"] = float((guess.numpy() == order).mean() * 100)
        if len(pans.clips):
            moving, kinds = draw_pans(pans.clips, np.arange(len(pans.clips)), random)
            inputs = _evenly(moving, SECONDS_APART / FRAMES)
            guess = self.movement(self.temporal.attend(*inputs)).argmax(1)
            figures["movement"] = float((guess.numpy() == kinds).mean() * 100)
        return figures


def train_temporal(
    settings: TemporalSettings,
    train: TemporalData,
    dev: TemporalData,
    corpus: Corpus,
    *,
    run: Path,
    seed: int,
) -> Temporal:
    """Train temporal attention and save the best on dev rows under ``run / "temporal"``."""
    trainer = TemporalTrainer(settings, seed=seed)
    temporal = trainer.temporal
    figures = dev_figures(temporal, dev.bank, corpus)
    best_rank = figures["mrr"]
    logger.info("plain mean: %s", figures)
    history: list[dict[str, float]] = [{"step": 0, **figures}]
    best = copy.deepcopy(temporal.state_dict())
    started, step, best_step = time.monotonic(), 0, 0
    while True:
        used = settings.budget.used(minutes=(time.monotonic() - started) / 60, steps=step)
        if used >= 1.0 or step - best_step >= PATIENCE_STEPS:
            break
        loss = trainer.train_step(step, used, train, corpus)
        step += 1
        if step % EVALUATION_STEPS == 0:
            figures = dev_figures(temporal, dev.bank, corpus) | trainer.side_accuracy(dev)
            history.append({"step": step, **figures})
            logger.info("temporal step %d: train %.3f, dev %s", step, loss, figures)
            if figures["mrr"] > best_rank:
                best_rank, best_step = figures["mrr"], step
                best = copy.deepcopy(temporal.state_dict())
    last = history[-1]
    temporal.load_state_dict(best)
    temporal.eval().save_pretrained(run / "temporal")
    ablations = {
        "plain mean": history[0],
        "last step": last,
        "shipped": dev_figures(temporal, dev.bank, corpus),
        "shipped, frames shuffled": dev_figures(temporal, dev.bank, corpus, shuffle=True),
        "one frame": dev_figures(temporal, dev.bank, corpus, limit=1),
    }
    for name, row in ablations.items():
        logger.info("%s: %s", name, row)
    (run / "temporal.json").write_text(
        json.dumps({"best_step": best_step, "ablations": ablations, "history": history}, indent=1)
    )
    return temporal


def shuffled_frames(
    bank: ItemBank, random: np.random.Generator, limit: int
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Videos of four frames in a random order from ``ORDERS``.

    Returns:
        (B, 4, 384) frame vectors and (B,) positions in ``ORDERS``.
    """
    long = [place for place in bank.of_kind("msrvtt") if len(bank.vectors[place]) == ORDERED_FRAMES]
    chosen = random.permutation(np.array(long, np.intp))[:limit]
    orders = random.integers(len(ORDERS), size=len(chosen))
    vectors = np.empty((len(chosen), ORDERED_FRAMES, 384), np.float32)
    for row, (place, order) in enumerate(zip(chosen, orders, strict=True)):
        turn = np.arange(ORDERED_FRAMES)
        if order == 1:
            turn = turn[::-1]
        while order == 2 and abs(int(turn[-1]) - int(turn[0])) == ORDERED_FRAMES - 1:
            turn = random.permutation(ORDERED_FRAMES)
        vectors[row] = bank.vectors[place][turn]
    return vectors, orders


def _contrast(clips: Tensor, said: Tensor) -> Tensor:
    return symmetric_infonce(SCALE * clips @ said.T)


def _evenly(vectors: NDArray[np.float32], spacing: float) -> tuple[Tensor, Tensor, Tensor]:
    """Clips of equal length as inputs of ``Temporal``."""
    count, frames = vectors.shape[:2]
    seconds = torch.arange(frames).float().mul(spacing).expand(count, -1)
    return torch.from_numpy(vectors), seconds, torch.ones(count, frames)


def _clips(bank: ItemBank, chosen: NDArray[np.intp], spacing: float) -> tuple[Tensor, ...]:
    vectors, mask = pad_items([bank.vectors[place] for place in chosen])
    seconds = torch.arange(vectors.shape[1]).float().mul(spacing).expand(len(chosen), -1)
    return vectors, seconds * mask, mask


def _sentences(
    captions: list[tuple[int, ...]], corpus: Corpus, random: np.random.Generator
) -> Tensor:
    places = [caption[random.integers(len(caption))] for caption in captions]
    return torch.from_numpy(corpus.vectors[places])


@torch.inference_mode()
def clip_vectors(
    temporal: Temporal, bank: ItemBank, chosen: NDArray[np.intp]
) -> NDArray[np.float32]:
    """(N, 384) clip vectors of items, with frames assumed three seconds apart."""
    temporal.eval()
    vectors: NDArray[np.float32] = temporal(*_clips(bank, chosen, SECONDS_APART)).numpy()
    return vectors


@torch.inference_mode()
def dev_figures(
    temporal: Temporal,
    dev: ItemBank,
    corpus: Corpus,
    *,
    shuffle: bool = False,
    limit: int | None = None,
) -> dict[str, float]:
    """InfoNCE over all dev videos, mean reciprocal rank, recall.

    Args:
        temporal: the module to measure.
        dev: contains the videos.
        corpus: the videos' sentences.
        shuffle: put each video's frames in a random order.
        most: frames of each video that are seen, from its middle.
    """
    temporal.eval()
    videos = dev.of_kind("msrvtt")
    random = np.random.default_rng(0)
    frames = []
    for place in videos:
        video_frames = dev.vectors[place]
        if limit is not None:
            start = (len(video_frames) - min(limit, len(video_frames))) // 2
            video_frames = video_frames[start : start + limit]
        frames.append(
            video_frames[random.permutation(len(video_frames))] if shuffle else video_frames
        )
    vectors, mask = pad_items(frames)
    seconds = torch.arange(vectors.shape[1]).float().mul(SECONDS_APART) * mask
    clips = temporal(vectors, seconds, mask)
    queries = torch.from_numpy(corpus.vectors[[dev.sentences[place][0] for place in videos]])
    logits = SCALE * queries @ clips.T
    target = torch.arange(len(videos))
    loss = float(functional.cross_entropy(logits, target))
    rank = ranks(logits.numpy(), target.numpy())
    figures = {f"r{k}": round(recall(rank, k), 2) for k in (1, 5, 10)}
    mrr = mean_reciprocal_rank(rank)
    return {"loss": round(loss, 4), "mrr": round(mrr, 4), **figures}
