"""Temporal attention, trained on frozen frame vectors of videos in which something moves.

temporal = train_on_motion(items, MotionSettings(seed=1))

Three losses: a clip's own caption above those of the batch; a clip above its reversal for its own
caption, where the reversal shows the opposite; and a pull to the plain mean of the frames, which is
weak only for the few sets of alike clips that need time to be told apart. Without the pull the
vectors of varied videos, of which there are too few, become worse than their mean.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.training.networks.configuration import TemporalConfig
from vidseek.training.networks.temporal import Temporal
from vidseek.training.optimisation import parameter_groups, rate_factor, set_rate
from vidseek.training.padding import pad_items

logger = logging.getLogger(__name__)

SCALE = 20.0
"""Factor on cosines before the softmax."""
ALIKE = 0.9
"""Captions with a cosine above this say the same; their clips are no wrong answers."""
LOG_EVERY_STEPS = 100
WARM_UP = 0.05
MIN_FRAMES = 2


@dataclass(frozen=True)
class MotionItem:
    """A video's frames and what is said about it."""

    vectors: NDArray[np.float32]
    """(F, D) frame vectors, F at least 2."""
    seconds: NDArray[np.float32]
    """(F,) their times."""
    captions: NDArray[np.float32]
    """(C, D) vectors of its captions, C at least 1."""
    reversed_captions: NDArray[np.float32]
    """(R, D) of captions of the reversed video; R is 0 if it has no direction."""
    moving_set: str | None = None
    """Name of the set of alike clips, told apart by what moves, that it belongs to."""

    @property
    def moves(self) -> bool:
        """True if it belongs to such a set."""
        return self.moving_set is not None


@dataclass(frozen=True)
class MotionSettings:
    """How temporal attention is trained."""

    steps: int = 600
    batch: int = 96
    moving_share: float = 0.5
    """Share of the batch drawn from items that move."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    moving_pull: float = 10.0
    """Weight of 1 - cosine to the plain mean for items that move."""
    pull: float = 100.0
    """The same for all other items."""
    order_loss: float = 1.0
    dropout: float = 0.1
    fewer_frames: float = 0.5
    """Share of clips of which only some frames are seen, as fast sampling does."""
    seed: int = 1


def train_on_motion(items: list[MotionItem], settings: MotionSettings) -> Temporal:
    """Train temporal attention; deterministic on one machine.

    Args:
        items: the training videos; some that move, and some that do not.
        settings: of the training.
    """
    torch.manual_seed(settings.seed)
    temporal: Temporal = Temporal(TemporalConfig(hidden_dropout_prob=settings.dropout))
    temporal.train()
    optimizer = torch.optim.AdamW(
        parameter_groups(
            temporal.parameters(), peak=settings.learning_rate, weight_decay=settings.weight_decay
        )
    )
    moving = np.flatnonzero([item.moves for item in items])
    sets = Counter(items[place].moving_set for place in moving)
    # Each set has the same share, or the largest would be all that is learned.
    often = np.array([1 / (sets[items[place].moving_set] * len(sets)) for place in moving])
    others = np.flatnonzero([not item.moves for item in items])
    for step in range(settings.steps):
        random = np.random.default_rng([settings.seed, step])
        set_rate(optimizer, rate_factor(step / settings.steps, warm_up=WARM_UP))
        count = round(settings.batch * settings.moving_share)
        chosen = [
            *random.choice(moving, min(count, len(moving)), replace=False, p=often),
            *random.choice(others, min(settings.batch - count, len(others)), replace=False),
        ]
        batch = _Batch.draw([items[place] for place in chosen], settings, random)
        loss = _loss(temporal, batch, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(temporal.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % LOG_EVERY_STEPS == 0:
            logger.info("temporal step %d: loss %.3f", step + 1, float(loss.detach()))
    temporal.eval()
    return temporal


@dataclass(frozen=True)
class _Batch:
    vectors: Tensor
    """(B, F, D) padded."""
    seconds: Tensor
    mask: Tensor
    captions: Tensor
    """(B, D)"""
    opposite: Tensor
    """(B, D) caption of the reversal; zero where ``directed`` is 0."""
    directed: Tensor
    """(B,) 1 for clips with a direction."""
    pull: Tensor
    """(B,) weight of the pull to the mean."""

    @classmethod
    def draw(
        cls, items: list[MotionItem], settings: MotionSettings, random: np.random.Generator
    ) -> _Batch:
        frames, times, captions, opposite = [], [], [], []
        for item in items:
            keep = _some_frames(len(item.vectors), settings, random)
            vectors, seconds = item.vectors[keep], item.seconds[keep] - item.seconds[keep][0]
            right = item.captions[random.integers(len(item.captions))]
            turned = np.zeros_like(right)
            if len(item.reversed_captions):
                turned = item.reversed_captions[random.integers(len(item.reversed_captions))]
                if random.random() < 0.5:  # backwards it is as good an example of the opposite
                    vectors, seconds = vectors[::-1], seconds[-1] - seconds[::-1]
                    right, turned = turned, right
            frames.append(vectors)
            times.append((seconds * random.uniform(0.6, 1.6)).astype(np.float32))
            captions.append(right)
            opposite.append(turned)
        padded, mask = pad_items(frames)
        pulls = [settings.moving_pull if item.moves else settings.pull for item in items]
        return cls(
            vectors=padded,
            seconds=pad_items(times)[0],
            mask=mask,
            captions=torch.from_numpy(np.stack(captions)),
            opposite=torch.from_numpy(np.stack(opposite)),
            directed=torch.tensor([float(len(item.reversed_captions) > 0) for item in items]),
            pull=torch.tensor(pulls),
        )


def _some_frames(
    count: int, settings: MotionSettings, random: np.random.Generator
) -> NDArray[np.intp]:
    """Positions of the frames that are seen, ascending; at least two."""
    if count <= MIN_FRAMES or random.random() >= settings.fewer_frames:
        return np.arange(count)
    kept = int(random.integers(MIN_FRAMES, count))
    return np.sort(random.choice(count, kept, replace=False))


def _loss(temporal: Temporal, batch: _Batch, settings: MotionSettings) -> Tensor:
    clips = temporal(batch.vectors, batch.seconds, batch.mask)
    alike = (batch.captions @ batch.captions.T > ALIKE).float()
    alike.fill_diagonal_(0.0)
    logits = SCALE * clips @ batch.captions.T - 1e4 * alike
    target = torch.arange(len(logits))
    contrast = 0.5 * (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    )
    backwards = temporal(*_reversed(batch))
    right = (clips * batch.captions).sum(1)
    # Of the clip that runs the other way, and of the sentence that says the opposite.
    wrong_clip = (backwards * batch.captions).sum(1)
    wrong_words = (clips * batch.opposite).sum(1)
    order = functional.softplus(SCALE * (wrong_clip - right)) + functional.softplus(
        SCALE * (wrong_words - right)
    )
    order = (order * batch.directed).sum() / batch.directed.sum().clamp(min=1.0)
    weights = batch.mask / batch.mask.sum(1, keepdim=True)
    mean = functional.normalize((batch.vectors * weights[..., None]).sum(1), dim=-1)
    pull = (batch.pull * (1.0 - (clips * mean).sum(1))).mean()
    total: Tensor = contrast + settings.order_loss * order + pull
    return total


def _reversed(batch: _Batch) -> tuple[Tensor, Tensor, Tensor]:
    """The batch played backwards: frames in the opposite order, at mirrored times."""
    counts = batch.mask.sum(1).long()
    places = torch.arange(batch.mask.shape[1])
    turned = (counts[:, None] - 1 - places).clamp(min=0)
    vectors = batch.vectors.gather(1, turned[..., None].expand_as(batch.vectors))
    last = batch.seconds.amax(1, keepdim=True)
    seconds = (last - batch.seconds.gather(1, turned)) * batch.mask
    return vectors * batch.mask[..., None], seconds, batch.mask
