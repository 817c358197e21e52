"""The second stage: temporal attention learns on real videos' frames, on frozen towers.

train_temporal(settings, vision, sets, corpus, run=run)

The data has two to four frames of a video, in order but without times; they are taken as a few
seconds apart. Where the result is no better than the plain mean on the dev videos, that is what is
saved: the same module with its output still zero.
"""

from __future__ import annotations

import copy
import json
import logging
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.encoders.model.configuration import TemporalConfig
from vidseek.encoders.model.temporal import Temporal
from vidseek.encoders.training.corpus import Corpus
from vidseek.encoders.training.items import ItemBank, pad_items
from vidseek.encoders.training.measures import ranks, recall
from vidseek.encoders.training.optimisation import parameter_groups, rate_factor, set_rate
from vidseek.encoders.training.settings import TemporalSettings

logger = logging.getLogger(__name__)

SCALE = 20.0
"""Of cosines before the softmax."""
SECONDS_APART = 3.0
EVALUATION_STEPS = 25
PATIENCE_STEPS = 500
"""Without a better figure for so long, the stage ends before its budget."""


def train_temporal(
    settings: TemporalSettings,
    train: ItemBank,
    dev: ItemBank,
    corpus: Corpus,
    *,
    run: Path,
    seed: int,
) -> Temporal:
    """Train temporal attention and save the best on dev rows under ``run / "temporal"``."""
    torch.manual_seed(seed)
    temporal = Temporal(TemporalConfig(hidden_dropout_prob=0.1))
    optimizer = torch.optim.AdamW(
        parameter_groups(
            temporal.parameters(), peak=settings.learning_rate, weight_decay=settings.weight_decay
        )
    )
    videos = train.of_kind("msrvtt")
    figures = _dev_figures(temporal, dev, corpus)
    best_rank = figures["mrr"]
    logger.info("plain mean: %s", figures)
    history = [{"step": 0, **figures}]
    best = copy.deepcopy(temporal.state_dict())
    started, step, best_step = time.monotonic(), 0, 0
    while True:
        used = settings.budget.used(minutes=(time.monotonic() - started) / 60, steps=step)
        if used >= 1.0:
            break
        random = np.random.default_rng([seed, 11, step])
        torch.manual_seed(seed * 1_000_003 + step)
        temporal.train()
        set_rate(optimizer, rate_factor(used, warm_up=settings.warm_up))
        chosen = random.choice(videos, min(settings.batch, len(videos)), replace=False)
        spacing = SECONDS_APART * float(random.uniform(0.5, 2.0))
        clips = temporal(*_clips(train, chosen, spacing))
        logits = SCALE * clips @ _sentences(train, chosen, corpus, random).T
        target = torch.arange(len(chosen))
        loss = functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(temporal.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % EVALUATION_STEPS == 0:
            figures = _dev_figures(temporal, dev, corpus)
            history.append({"step": step, **figures})
            logger.info("temporal step %d: train %.3f, dev %s", step, float(loss) / 2, figures)
            if figures["mrr"] > best_rank:
                best_rank, best_step = figures["mrr"], step
                best = copy.deepcopy(temporal.state_dict())
            if step - best_step >= PATIENCE_STEPS:
                break
    temporal.load_state_dict(best)
    temporal.eval().save_pretrained(run / "temporal")
    (run / "temporal.json").write_text(json.dumps(history, indent=1))
    return temporal


def _clips(bank: ItemBank, chosen: NDArray[np.intp], spacing: float) -> tuple[Tensor, ...]:
    vectors, mask = pad_items([bank.vectors[place] for place in chosen])
    seconds = torch.arange(vectors.shape[1]).float().mul(spacing).expand(len(chosen), -1)
    return vectors, seconds * mask, mask


def _sentences(
    bank: ItemBank, chosen: NDArray[np.intp], corpus: Corpus, random: np.random.Generator
) -> Tensor:
    captions = [bank.sentences[place] for place in chosen]
    places = [caption[random.integers(len(caption))] for caption in captions]
    return torch.from_numpy(corpus.vectors[places])


@torch.inference_mode()
def clip_vectors(
    temporal: Temporal, bank: ItemBank, chosen: NDArray[np.intp]
) -> NDArray[np.float32]:
    """(N, 384) clip vectors of items, their frames taken as three seconds apart."""
    temporal.eval()
    vectors: NDArray[np.float32] = temporal(*_clips(bank, chosen, SECONDS_APART)).numpy()
    return vectors


@torch.inference_mode()
def _dev_figures(temporal: Temporal, dev: ItemBank, corpus: Corpus) -> dict[str, float]:
    """InfoNCE over all dev videos, mean reciprocal rank, recall."""
    temporal.eval()
    videos = dev.of_kind("msrvtt")
    clips = temporal(*_clips(dev, videos, SECONDS_APART))
    queries = torch.from_numpy(corpus.vectors[[dev.sentences[place][0] for place in videos]])
    logits = SCALE * queries @ clips.T
    target = torch.arange(len(videos))
    loss = float(functional.cross_entropy(logits, target))
    rank = ranks(logits.numpy(), target.numpy())
    figures = {f"r{k}": round(recall(rank, k), 2) for k in (1, 5, 10)}
    mrr = float((1.0 / (1 + rank)).mean())
    return {"loss": round(loss, 4), "mrr": round(mrr, 4), **figures}
