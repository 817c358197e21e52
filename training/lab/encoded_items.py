"""Pictures and videos as encoded by the frozen towers, for the stages trained on top of them.

items = ItemBank.encode(vision, sets, corpus, ItemSelection("train"), run=run)
items.vectors[3]         # (F, 384) frame vectors of the fourth item
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.training.lab.batches import PictureSet
from vidseek.training.lab.corpus import Corpus
from vidseek.training.lab.pictures import PictureRow
from vidseek.training.networks.vision import Vision
from vidseek.training.optimisation import encoding_precision
from vidseek.training.stem_maps import load_maps

logger = logging.getLogger(__name__)

SMALLEST_CROP = 14
"""Training items are encoded from crops of 14 to 17 of 17 cells: close to inference, but not
exactly the pictures that the towers have memorised."""


@dataclass(frozen=True)
class ItemSelection:
    """Which rows of the sets are encoded, and how."""

    split: str
    """``train``, encoded from random crops, or ``dev``, encoded whole."""
    names: tuple[str, ...] = ("flickr8k", "msrvtt")
    """The sets."""
    limit: int | None = None
    """Most pictures of each set, in whole videos; None for all."""
    seed: int = 0
    """Random seed of the crops."""


@dataclass(frozen=True)
class ItemBank:
    """Pictures (one frame) and videos (several frames) with their frame vectors and tokens."""

    kinds: list[str]
    """The set of each item."""
    vectors: list[NDArray[np.float32]]
    """For each item an (F, 384) array."""
    tokens: list[NDArray[np.float32]]
    """For each item an (F, M, T) array."""
    sentences: list[tuple[int, ...]]
    """For each item the positions of its captions in the corpus."""

    def __len__(self) -> int:
        return len(self.kinds)

    def means(self) -> NDArray[np.float32]:
        """(N, 384) L2-normalised mean frame vectors."""
        means = np.stack([vectors.mean(0) for vectors in self.vectors])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means

    def of_kind(self, kind: str) -> NDArray[np.intp]:
        """Positions of the items of one set."""
        return np.array(
            [place for place, item_kind in enumerate(self.kinds) if item_kind == kind], np.intp
        )

    @classmethod
    def encode(
        cls,
        vision: Vision,
        sets: dict[str, PictureSet],
        corpus: Corpus,
        selection: ItemSelection,
        *,
        run: Path,
    ) -> ItemBank:
        """Encode pictures and videos of one split; the result is stored in the run's folder.

        Args:
            vision: the frozen visual encoder.
            sets: at least those of the selection.
            corpus: the sentences.
            selection: which rows.
            run: the run's folder.
        """
        bank, split = cls([], [], [], []), selection.split
        for name in selection.names:
            rows = _sample_groups(sets[name].split(split), selection.limit)
            file = run / f"items-{split}-{name}.npz"
            if file.exists():
                kept = np.load(file)
                vectors, tokens = kept["vectors"], kept["tokens"]
            else:
                logger.info("encoding %d %s pictures of %s", len(rows), split, name)
                crops = np.random.default_rng([selection.seed, 7]) if split == "train" else None
                vectors, tokens = _encode(vision, sets[name], rows, crops)
                np.savez(file, vectors=vectors, tokens=tokens)
            bank._add(name, rows, vectors.astype(np.float32), tokens.astype(np.float32), corpus)
        return bank

    def _add(
        self,
        name: str,
        rows: list[PictureRow],
        vectors: NDArray[np.float32],
        tokens: NDArray[np.float32],
        corpus: Corpus,
    ) -> None:
        groups: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(str(row.group), []).append(place)
        for places in groups.values():
            captions = rows[places[0]].captions
            self.kinds.append(name)
            self.vectors.append(vectors[places])
            self.tokens.append(tokens[places])
            self.sentences.append(tuple(corpus.ids[caption] for caption in captions))


def _sample_groups(rows: list[PictureRow], limit: int | None) -> list[PictureRow]:
    """About ``limit`` rows, whole groups only; the same rows every time."""
    if limit is None or len(rows) <= limit:
        return rows
    groups = sorted({str(row.group) for row in rows})
    kept = round(len(groups) * limit / len(rows))
    chosen = {groups[i] for i in np.random.default_rng(0).permutation(len(groups))[:kept]}
    return [row for row in rows if str(row.group) in chosen]


@torch.inference_mode()
def _encode(
    vision: Vision,
    pictures: PictureSet,
    rows: list[PictureRow],
    crops: np.random.Generator | None,
    *,
    batch: int = 64,
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """float16 vectors and tokens of rows, from whole maps or random crops."""
    vision.eval()
    vectors, tokens = [], []
    for start in range(0, len(rows), batch):
        fine = pictures.maps.fine[[row.index for row in rows[start : start + batch]]]
        if crops is not None:
            side = int(crops.integers(SMALLEST_CROP, 18))
            top, left = crops.integers(0, 18 - side, 2)
            fine = fine[:, top : top + side, left : left + side]
            fine = fine[:, :, ::-1] if crops.random() < 0.5 else fine
        with encoding_precision(vision.device):
            output = vision(load_maps(fine))
        vectors.append(output.vectors.numpy().astype(np.float16))
        tokens.append(output.tokens.numpy().astype(np.float16))
    return np.concatenate(vectors), np.concatenate(tokens)
