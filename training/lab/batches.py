"""Choose the pictures and sentences of each training step.

batches = BatchMaker(settings.towers, seed, sets, paraphrases)
batch = batches.make(step=12)                 # the same for the same seed and step
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidseek.training.lab.paraphrases import Paraphrases
from vidseek.training.lab.pictures import (
    EVALUATION_ONLY,
    PictureRow,
    class_caption,
    read_rows,
    row_captions,
)
from vidseek.training.lab.settings import TowerSettings
from vidseek.training.lab.stem_map_cache import PictureMaps, open_maps
from vidseek.training.stem_maps import load_maps

CLASS_SETS = ("sports100", "caltech101", "misc")
"""Sets whose pictures have a class name as their caption."""
SIDE = 17
"""Cells of a whole map."""


@dataclass(frozen=True)
class PictureSet:
    """The rows of a set with their cached maps."""

    name: str
    rows: list[PictureRow]
    maps: PictureMaps

    @classmethod
    def open(cls, data: Path, cache: Path, name: str, *, views: int = 0) -> PictureSet:
        """Open a cached set."""
        return cls(name, read_rows(data, name), open_maps(cache, name, views=views))

    def split(self, *names: str) -> list[PictureRow]:
        """The rows of the named splits that have a caption or a class."""
        return [row for row in self.rows if row.split in names and row_captions(row)]


@dataclass(frozen=True)
class Batch:
    """Training data of one step."""

    fine: Tensor
    """(B, 120, C, C) float32, channels last."""
    sentences: NDArray[np.intp]
    """(B,) positions in the corpus of the sentence used for each picture in this step."""
    caption_means: Tensor
    """(B, 384) float32: mean vector of a picture's captions, by the original text encoder."""
    untouched: Tensor
    """(B, 1280) float32: pooled features of the original stem, of the whole picture."""


class BatchMaker:
    """Draws the batch of a step; the same seed and step give the same batch."""

    def __init__(
        self,
        settings: TowerSettings,
        seed: int,
        sets: dict[str, PictureSet],
        paraphrases: Paraphrases,
    ) -> None:
        self.settings, self.seed, self.sets = settings, seed, sets
        self.corpus, self.paraphrases = paraphrases.corpus, paraphrases.of
        forbidden = EVALUATION_ONLY & set(sets)
        if forbidden:
            raise ValueError(f"{sorted(forbidden)} measure names never seen and train nothing")
        self.flickr = sets["flickr8k"].split("train")
        videos: dict[str, list[PictureRow]] = {}
        for row in sets["msrvtt"].split("train") if "msrvtt" in sets else []:
            videos.setdefault(str(row.group), []).append(row)
        self.videos = list(videos.values())
        self.classes = {name: self._by_caption(name) for name in CLASS_SETS}

    def _by_caption(self, name: str) -> list[list[PictureRow]]:
        """A set's training rows, grouped by class."""
        classes: dict[str, list[PictureRow]] = {}
        for row in self.sets[name].split("train") if name in self.sets else []:
            classes.setdefault(class_caption(str(row.label)), []).append(row)
        return list(classes.values())

    def _turn(self, step: int, count: int, total: int, salt: int) -> list[int]:
        """The step's slice of an endless series of shuffled passes over ``total`` items."""
        chosen: list[int] = []
        for position in range(step * count, (step + 1) * count):
            passes, offset = divmod(position, total)
            if not chosen or offset == 0:
                order = np.random.default_rng([self.seed, salt, passes]).permutation(total)
            chosen.append(int(order[offset]))
        return chosen

    def _pick(self, step: int, random: np.random.Generator) -> list[tuple[str, PictureRow]]:
        counts = self.settings
        picked: list[tuple[str, PictureRow]] = [
            ("flickr8k", self.flickr[index])
            for index in self._turn(step, counts.flickr8k, len(self.flickr), 1)
        ]
        for index in self._turn(step, counts.msrvtt, len(self.videos), 2):
            frames = self.videos[index]
            picked.append(("msrvtt", frames[random.integers(len(frames))]))
        for salt, name in enumerate(CLASS_SETS, start=3):
            classes = self.classes[name]
            count = min(int(getattr(counts, name)), len(classes))
            for index in self._turn(step, count, len(classes), salt):
                pictures = classes[index]
                picked.append((name, pictures[random.integers(len(pictures))]))
        return picked

    def _choose_caption(
        self, row: PictureRow, random: np.random.Generator
    ) -> tuple[int, NDArray[np.intp]]:
        """Positions in the corpus of a random caption of a picture, and of all its captions."""
        captions = np.array([self.corpus.ids[caption] for caption in row_captions(row)], np.intp)
        place = int(captions[random.integers(len(captions))])
        reworded = self.paraphrases.get(place)
        if reworded is not None and random.random() < self.settings.paraphrase_share:
            place = int(reworded[random.integers(len(reworded))])
        if len(captions) == 1 and reworded is not None and self.settings.paraphrase_share > 0:
            captions = np.concatenate([captions, reworded])
        return place, captions

    def make(self, step: int, *, whole: bool = False) -> Batch:
        """Make the batch of one step.

        Args:
            step: number of the step.
            whole: use crops near the whole map, as pictures are seen in use.
        """
        random = np.random.default_rng([self.seed, step])
        picked = self._pick(step, random)
        smallest, largest = self.settings.smallest_crop, self.settings.largest_crop
        if whole:
            smallest, largest = largest, SIDE
        side = int(random.integers(smallest, largest + 1))
        fine = np.empty((len(picked), side, side, 120), np.int8)
        pooled = np.empty((len(picked), 1280), np.float32)
        means = np.empty((len(picked), self.corpus.vectors.shape[1]), np.float32)
        sentences = np.empty(len(picked), np.intp)
        for place, (name, row) in enumerate(picked):
            maps = self.sets[name].maps
            view = int(random.integers(1 + len(maps.views)))
            source = maps.fine if view == 0 else maps.views[view - 1]
            top, left = random.integers(0, SIDE - side + 1, 2)
            crop = source[row.index, top : top + side, left : left + side]
            fine[place] = crop[:, ::-1] if random.random() < 0.5 else crop
            pooled[place] = maps.pooled[row.index]
            sentences[place], captions = self._choose_caption(row, random)
            means[place] = self.corpus.vectors[captions].mean(0)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return Batch(load_maps(fine), sentences, torch.from_numpy(means), torch.from_numpy(pooled))
