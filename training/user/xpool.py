"""Training of an X-Pool head on the frame vectors of captioned clips; the towers are frozen.

trainer = XPoolTrainer(settings, clips, device=choose_device())
while trainer.step < trainer.steps:
    trainer.train_step()

The head starts as the identity: its output is then the frames weighted by the words, with nothing
learned.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.core.captions import CaptionedClip
from vidseek.core.types import FrameFeatures
from vidseek.encoders.hub.pooling import pooled_scores
from vidseek.encoders.hub.xpool import NORM_EPSILON, XPoolHead, blended
from vidseek.training.optimisation import parameter_groups, symmetric_infonce
from vidseek.training.padding import pad_items
from vidseek.training.user.epoch_trainer import EpochSettings, EpochTrainer
from vidseek.training.user.retrieval_figures import caption_truth, overlap, retrieval_figures

SCALE = 50.0
"""Factor on cosines before the softmax; with CLIP's own 100 a few clips are memorised."""
RERANK_DEPTH = 100
"""Clips re-ranked per query, as in a search."""
LEVEL_CLIPS = 200
"""Training clips used to find the level of the head's scores."""


@dataclass(frozen=True)
class XPoolSettings(EpochSettings):
    """Settings of head training. The clips of a step are negatives of each other."""

    epochs: int = 50
    batch: int = 32
    learning_rate: float = 1e-4
    weight_decay: float = 0.2
    dropout: float = 0.3


@dataclass(frozen=True)
class VectorClips:
    """Clips as frame vectors and caption vectors."""

    clips: Sequence[CaptionedClip]
    frames: list[NDArray[np.float32]]
    """For each clip, (F, D) frame vectors."""
    means: NDArray[np.float32]
    """(N, D) clip vectors, as the model makes them."""
    sentences: list[NDArray[np.float32]]
    """For each clip, (C, D) float32 L2-normalised vectors of its captions."""
    train: list[int]
    """Positions of the clips to train on."""
    held_out: list[int]
    """Positions of the clips to measure with; no video is in both."""


class XPool(nn.Module):
    """X-Pool (Gorti et al., CVPR 2022): one attention head; square matrices start as identities."""

    def __init__(self, dimension: int, *, dropout: float) -> None:
        super().__init__()
        self.query, self.key = _identity(dimension), _identity(dimension)
        self.value, self.out = _identity(dimension), _identity(dimension)
        self.project = _identity(dimension)
        self.input_norm = nn.LayerNorm(dimension, eps=NORM_EPSILON)
        self.attended_norm = nn.LayerNorm(dimension, eps=NORM_EPSILON)
        self.output_norm = nn.LayerNorm(dimension, eps=NORM_EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, texts: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """Score every sentence against every clip.

        Args:
            texts: (B, D) L2-normalised.
            frames: (N, F, D).
            mask: (N, F), 1 for a frame and 0 for padding.

        Returns:
            (B, N) cosines of each sentence with its pooling of each clip.
        """
        seen = self.input_norm(frames)
        queries = self.query(self.input_norm(texts))
        logits = torch.einsum("bd,nfd->bnf", queries, self.key(seen)) / texts.shape[1] ** 0.5
        weights = logits.masked_fill(mask[None] == 0, -torch.inf).softmax(-1)
        found = torch.einsum("bnf,nfd->bnd", weights, self.value(seen))
        found = self.attended_norm(self.out(found))
        found = self.output_norm(found + self.dropout(self.project(found)))
        cosines: Tensor = torch.einsum("bnd,bd->bn", functional.normalize(found, dim=-1), texts)
        return cosines


def _identity(dimension: int) -> nn.Linear:
    linear = nn.Linear(dimension, dimension)
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class XPoolTrainer(EpochTrainer):
    """Trains an X-Pool head."""

    data: VectorClips
    module_name = "head"
    order_salt = 31

    def __init__(self, settings: XPoolSettings, data: VectorClips, *, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.head = XPool(data.means.shape[1], dropout=settings.dropout).to(device)
        groups = parameter_groups(
            self.head.parameters(), peak=settings.learning_rate, weight_decay=settings.weight_decay
        )
        super().__init__(self.head, torch.optim.AdamW(groups, lr=0.0), settings, data)

    def loss(self) -> tuple[Tensor, dict[str, float]]:
        """Symmetric InfoNCE; pairs that say or show the same thing are not negatives."""
        random = np.random.default_rng([self.settings.seed, 32, self.step])
        places = self.batch_positions()
        chosen = [int(random.integers(len(self.data.sentences[p]))) for p in places]
        said = [self.data.sentences[p][c] for p, c in zip(places, chosen, strict=True)]
        frames, mask = pad_items([self.data.frames[place] for place in places])
        texts = torch.from_numpy(np.stack(said)).to(self.device)
        logits = SCALE * self.head(texts, frames.to(self.device), mask.to(self.device))
        logits = logits.masked_fill(self._same(places, chosen).to(self.device), -1e4)
        loss = symmetric_infonce(logits)
        return loss, {"contrast": float(loss.detach())}

    def _same(self, places: list[int], chosen: list[int]) -> Tensor:
        """(B, B) True where another clip of the step shows the same or has the same caption."""
        batch_clips = [self.data.clips[place] for place in places]
        said = [clip.captions[c].casefold() for clip, c in zip(batch_clips, chosen, strict=True)]
        same = torch.zeros(len(batch_clips), len(batch_clips), dtype=torch.bool)
        for row, column in itertools.permutations(range(len(batch_clips)), 2):
            same[row, column] = said[row] == said[column] or overlap(
                batch_clips[row], batch_clips[column]
            )
        return same

    def held_out_figures(self) -> dict[str, float]:
        """Measure how well held-out captions find their clips with the head."""
        return measure_head(trained_weights(self.head.state_dict()), self.data).figures


@dataclass(frozen=True)
class HeadMeasures:
    """Retrieval figures of a head on held-out clips, and the level of its scores."""

    figures: dict[str, float]
    """Per cent."""
    scale: float
    offset: float
    """See ``vidseek.encoders.hub.xpool.HeadFacts``."""


def trained_weights(state: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """The weights in the form stored in the head's file."""
    return {name: values.detach().float().cpu().numpy() for name, values in state.items()}


def measure_head(weights: dict[str, NDArray[np.float32]], data: VectorClips) -> HeadMeasures:
    """Search all held-out clips with every held-out caption, as a search would.

    Args:
        weights: the head's weights in their stored form.
        data: the clips.
    """
    head = XPoolHead(weights, dimension=data.means.shape[1])
    scale, offset = _level(head, data)

    def rescore(
        text: NDArray[np.float32], clips: list[NDArray[np.float32]], first: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        return blended(head.scores(text, clips), first, scale=scale, offset=offset)

    return HeadMeasures(_figures(data, rescore), scale, offset)


def measure_pooling(data: VectorClips) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of the mean of the frames, and of frames weighted by the words without training."""

    def rescore(
        text: NDArray[np.float32], clips: list[NDArray[np.float32]], first: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        features = [FrameFeatures(clip, np.empty((len(clip), 0, 0), np.float32)) for clip in clips]
        return pooled_scores(text, features, first)

    return _figures(data, lambda text, clips, first: first), _figures(data, rescore)


_Rescore: TypeAlias = Callable[
    [NDArray[np.float32], list[NDArray[np.float32]], NDArray[np.float32]], NDArray[np.float32]
]
"""From a sentence's vector, the clips' frame vectors and first-stage scores to final scores."""


def _figures(data: VectorClips, rescore: _Rescore) -> dict[str, float]:
    places = data.held_out
    truth, same = caption_truth([data.clips[place] for place in places])
    queries = np.concatenate([data.sentences[place] for place in places])
    scores = (queries @ data.means[places].T).astype(np.float32)
    frames = [data.frames[place] for place in places]
    for text, row in zip(queries, scores, strict=True):
        best = np.argsort(-row)[:RERANK_DEPTH]
        rescored = rescore(text, [frames[place] for place in best], row[best])
        # Re-ranked clips stay above the others.
        row -= 10.0
        row[best] = rescored
    scores[same] = -20.0
    return retrieval_figures(scores, truth)


def _level(head: XPoolHead, data: VectorClips) -> tuple[float, float]:
    """Scale and offset that bring the head's scores of wrong clips to the first stage's level.

    Wrong clips only, because the head has memorised the right clips of its training data.
    """
    places = data.train[:LEVEL_CLIPS]
    frames, means = [data.frames[place] for place in places], data.means[places]
    mean_scores, head_scores = [], []
    for row, place in enumerate(places):
        wrong = np.arange(len(places)) != row
        text = data.sentences[place][0]
        mean_scores.append((means @ text)[wrong])
        head_scores.append(head.scores(text, frames)[wrong])
    first, found = np.concatenate(mean_scores), np.concatenate(head_scores)
    scale = float(first.std() / max(float(found.std()), 1e-6))
    return scale, float(first.mean() - scale * found.mean())
