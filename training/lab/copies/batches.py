"""Batches for training the copy descriptor: edited pictures, and which pairs are copies.

    batches = CopyBatches(settings, pictures)
    for batch in batches.from_step(0):
        batch.views             # (2B, 3, S, S): B edited pictures, then B references

Every step draws its randomness from the seed and its own number, whichever process makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from vidseek.training.lab.copies.overlays import draw_overlays
from vidseek.training.lab.copies.pictures import TrainingPictures
from vidseek.training.lab.copies.settings import CopySettings
from vidseek.training.lab.copies.views import edited_views, library_views

NEIGHBOUR_SECONDS = 0.55
"""Frames this close are positives of each other: a copy's frames fall between the library's."""
SAME_SECONDS = 10.0
"""Frames of one video closer than this are neither positives nor negatives."""
MIN_CORRELATION = 0.6
"""Two pictures of one family whose thumbnails correlate more are neither as well."""
PAIRED_SHARE = 0.5
"""Share of a batch's pictures that are drawn in pairs from one family."""
MAX_STEPS = 10**9


@dataclass(frozen=True)
class Judged:
    """Which pairs of views (rows) and reference pictures (columns) are positives."""

    positive: Tensor
    """(B, B) bool."""
    ignored: Tensor
    """(B, B) bool: neither positive nor negative."""


@dataclass(frozen=True)
class CopyBatch:
    """Training data of one step."""

    rows: NDArray[np.intp]
    """(B,) rows of the training pictures."""
    views: Tensor
    """(2B, 3, S, S) float32, 0 to 255: the edited pictures, then the references."""
    judged: Judged


class CopyBatches(Dataset[CopyBatch]):
    """Batches by step number."""

    def __init__(self, settings: CopySettings, pictures: TrainingPictures) -> None:
        self.settings, self.pictures = settings, pictures
        self.overlays = draw_overlays(settings.seed)
        trained = np.flatnonzero(~pictures.is_background)
        order = np.argsort(pictures.families[trained], kind="stable")
        grouped = trained[order]
        ends = np.flatnonzero(np.diff(pictures.families[grouped])) + 1
        self.members = np.split(grouped, ends)
        self.several = [rows for rows in self.members if len(rows) > 1]

    def from_step(self, step: int) -> Iterator[CopyBatch]:
        """The batches of this and all later steps, prefetched by ``settings.workers`` processes."""
        return iter(
            DataLoader(
                self,
                batch_size=None,
                sampler=range(step, MAX_STEPS),
                num_workers=self.settings.workers,
            )
        )

    def __getitem__(self, step: int) -> CopyBatch:
        """The batch of a step."""
        random = np.random.default_rng([self.settings.seed, step])
        rows = self.draw(random)
        sources = self.load(rows)
        plain = library_views(self.load(self.neighbours(rows, random)), random)
        edited = edited_views(sources, self.overlays, random)
        judged = self.judge(rows, edited.partners, edited.is_partner_copied, sources)
        return CopyBatch(rows, torch.cat([edited.pictures, plain]), judged)

    def draw(self, random: np.random.Generator) -> NDArray[np.intp]:
        """(B,) rows: pairs from one family, then single pictures from random families."""
        pairs = int(self.settings.batch * PAIRED_SHARE / 2)
        chosen: list[int] = []
        for place in random.choice(len(self.several), pairs, replace=False):
            chosen += random.choice(self.several[place], 2, replace=False).tolist()
        # Weighted by size: a large family has more variety.
        sizes = np.array([len(rows) ** 0.5 for rows in self.members])
        singles = random.choice(
            len(self.members), self.settings.batch - len(chosen), False, sizes / sizes.sum()
        )
        chosen += [int(random.choice(self.members[place])) for place in singles]
        return np.array(chosen, np.intp)

    def neighbours(self, rows: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
        """(B,) rows of frames half a second away in the same video, or else the same rows."""
        beside = rows + random.choice([-1, 0, 1], len(rows))
        beside = np.clip(beside, 0, len(self.pictures.families) - 1)
        near = self.pictures.families[beside] == self.pictures.families[rows]
        apart = np.abs(self.pictures.seconds[beside] - self.pictures.seconds[rows])
        return np.where(near & (apart <= NEIGHBOUR_SECONDS), beside, rows)

    def load(self, rows: NDArray[np.intp]) -> Tensor:
        """(B, 3, 176, 176) float32, 0 to 255."""
        pixels = self.pictures.pixels[rows]
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()

    def judge(
        self,
        rows: NDArray[np.intp],
        partners: NDArray[np.int64],
        is_copied: NDArray[np.bool_],
        sources: Tensor,
    ) -> Judged:
        """Which pictures the views of a batch are copies of, and which are too similar to judge."""
        count = len(rows)
        families, seconds = self.pictures.families[rows], self.pictures.seconds[rows]
        thumbnails = functional.interpolate(sources.mean(1, keepdim=True), (12, 12), mode="area")
        flat = thumbnails.flatten(1)
        flat = functional.normalize(flat - flat.mean(1, keepdim=True), dim=-1)
        similar = (flat @ flat.T).numpy() >= MIN_CORRELATION
        near = np.abs(seconds[:, None] - seconds[None]) < SAME_SECONDS
        related = (families[:, None] == families[None]) & (similar | near)
        positive = np.eye(count, dtype=np.bool_)
        ignored = related.copy()
        for row, partner in enumerate(partners):
            if partner < 0:
                continue
            # Pictures of the partner's family are too similar to it as well.
            ignored[row] |= related[partner]
            positive[row, partner] |= is_copied[row]
        ignored &= ~positive
        return Judged(torch.from_numpy(positive), torch.from_numpy(ignored))
