"""Sources of footage: videos in folders, and pans and zooms over groups of pictures.

sources = find_sources([Path("~/Movies").expanduser(), Path("../shared/data/images")])
footage = sources[0].read(Format())

Which split a source belongs to is a function of its name and the seed alone: it does not change
when others come or go, and videos of one family (the same place, the same pictures) stay together.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from benchmarks.copies.footage import Footage, Format, cut, read_footage
from benchmarks.copies.seeding import random_of
from benchmarks.copies.truth import Segment
from vidseek.indexer.discovery import discover
from vidseek.training.lab.copies.splits import Split, picture_families, share_of, split_of
from vidseek.video import probe

if TYPE_CHECKING:
    import pyarrow

LONGEST_SECONDS = 30.0
"""Longer videos are cut to this length."""
PICTURES_PER_SOURCE = 4
"""At most."""
SHOT_SECONDS = (3.0, 6.0)
DIFFERENT_CORRELATION = 0.7
"""Two pictures of a group whose thumbnails correlate less are two views, not one picture twice."""


class Source(Protocol):
    """A source of footage."""

    @property
    def name(self) -> str:
        """The same on every machine; no two of a run are the same."""

    @property
    def family(self) -> str:
        """Sources of one family look alike and are in one split."""

    @property
    def is_synthetic(self) -> bool:
        """True for pans over pictures."""

    @property
    def path(self) -> Path | None:
        """The file that a library would hold; None if it must be made."""

    def read(self, form: Format) -> Footage:
        """Its footage, at most ``LONGEST_SECONDS``, with a segment that names the part.

        Raises:
            VideoError: it cannot be read.
        """

    def takes(self, form: Format) -> tuple[Footage, Footage] | None:
        """Two videos of one place that share no picture; None if it has no two different views."""


@dataclass(frozen=True)
class VideoSource:
    """A video file."""

    name: str
    """Path relative to the folder that was given."""
    path: Path
    is_synthetic: bool = False

    @property
    def family(self) -> str:
        """See ``Source``."""
        return self.name

    def read(self, form: Format) -> Footage:
        """See ``Source``."""
        length = probe(self.path).duration_seconds
        start = random_of("start", self.name).uniform(0, max(0.0, length - LONGEST_SECONDS))
        return read_footage(
            self.path,
            self.name,
            form,
            longest_seconds=LONGEST_SECONDS,
            start_seconds=round(float(start), 2),
        )

    def takes(self, form: Format) -> tuple[Footage, Footage] | None:
        """See ``Source``: its first and last 40 %, if they look different."""
        whole = self.read(form)
        length = whole.duration_seconds
        first, second = cut(whole, 0, 0.4 * length), cut(whole, 0.6 * length, length)
        middles = [
            Image.fromarray(part.pictures[len(part.pictures) // 2]) for part in (first, second)
        ]
        return (first, second) if look_different(*middles) else None


@dataclass(frozen=True)
class Picture:
    """A picture file, or a row of a Parquet file with encoded pictures in its column ``image``."""

    file: Path
    row: int | None = None

    def open(self) -> Image.Image:
        """The picture, RGB."""
        if self.row is None:
            with Image.open(self.file) as picture:
                return picture.convert("RGB")
        encoded = _column(self.file)[self.row].as_py()
        return Image.open(io.BytesIO(encoded)).convert("RGB")


@functools.lru_cache(maxsize=4)  # a file is 20 MB; sources come in order of the files
def _column(file: Path) -> pyarrow.ChunkedArray:
    import pyarrow.parquet as parquet

    return parquet.read_table(file, columns=["image"]).column("image")


@dataclass(frozen=True)
class PanSource:
    """A camera panning over several pictures, a shot each. Always labelled synthetic."""

    name: str
    pictures: tuple[Picture, ...]
    is_synthetic: bool = True
    path: None = None

    @property
    def family(self) -> str:
        """See ``Source``."""
        return self.name

    def read(self, form: Format) -> Footage:
        """See ``Source``."""
        return self._film([picture.open() for picture in self.pictures], form, "whole")

    def takes(self, form: Format) -> tuple[Footage, Footage] | None:
        """See ``Source``: pans over two pictures of the group that do not show the same."""
        opened = [picture.open() for picture in self.pictures]
        for other in opened[1:]:
            if look_different(opened[0], other):
                return self._film([opened[0]], form, "one"), self._film([other], form, "two")
        return None

    def _film(self, pictures: Sequence[Image.Image], form: Format, take: str) -> Footage:
        random = random_of("pan", self.name, take)
        size = (form.short_side * 4 // 3 // 2 * 2, form.short_side)
        shots = []
        for picture in pictures:
            seconds = random.uniform(*SHOT_SECONDS)
            count = max(2, round(seconds * form.frame_rate))
            start, end = _window(random), _window(random)
            for at in np.linspace(0, 1, count):
                box = _box(picture.size, start + at * (end - start))
                shot = picture.resize(size, Image.Resampling.BILINEAR, box=box)
                shots.append(np.asarray(shot))
        length = len(shots) / form.frame_rate
        segment = Segment(self.name, 0.0, length, 0.0, length)
        return Footage(np.stack(shots), form.frame_rate, (segment,))


def _window(random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What the camera sees: its place across and down, 0 to 1, and its part of the picture."""
    return np.array([random.uniform(), random.uniform(), random.uniform(0.55, 0.9)])


def _box(
    size: tuple[int, int], window: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[float, float, float, float]:
    wide, high = size[0] * window[2], size[1] * window[2]
    left, top = window[0] * (size[0] - wide), window[1] * (size[1] - high)
    return float(left), float(top), float(left + wide), float(top + high)


def look_different(first: Image.Image, second: Image.Image) -> bool:
    """True if thumbnails correlate less than ``DIFFERENT_CORRELATION``: not the same picture."""
    thumbnails = [
        np.asarray(picture.convert("L").resize((16, 16), Image.Resampling.BOX), np.float64).ravel()
        for picture in (first, second)
    ]
    deviations = [values - values.mean() for values in thumbnails]
    lengths = [float(np.linalg.norm(values)) for values in deviations]
    if min(lengths) < 1.0:  # a plain colour correlates with nothing, and shows nothing
        return False
    return float(deviations[0] @ deviations[1]) / (lengths[0] * lengths[1]) < DIFFERENT_CORRELATION


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """Videos and picture groups below some paths.

    Args:
        paths: videos, folders of them, Parquet files of pictures (columns ``image`` and ``group``)
            and folders of those.

    Raises:
        PathNotFoundError: a path does not exist.
        ValueError: two sources have one name.
    """
    sources: list[Source] = []
    tables: list[Path] = []
    for path in paths:
        if path.suffix == ".parquet":
            tables.append(path)
            continue
        tables += sorted(path.rglob("*.parquet")) if path.is_dir() else []
        root = path if path.is_dir() else path.parent
        for found in discover([path]).files:
            # Not resolved: `discover` follows no link either.
            name = found.path.relative_to(os.path.abspath(root)).as_posix()  # noqa: PTH100
            sources.append(VideoSource(name, found.path))
    sources += _picture_groups(tables)
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two sources are named {twice}: give the folder above both instead")
    return sources


def _picture_groups(tables: Sequence[Path]) -> list[PanSource]:
    return [
        PanSource(name, tuple(Picture(file, row) for file, row in rows[:PICTURES_PER_SOURCE]))
        for name, rows in picture_families(tables).items()
    ]


def choose_sources(
    sources: Sequence[Source], *, split: Split, seed: int, limit: int | None = None
) -> list[Source]:
    """The sources of a split, alternating real and synthetic, in an order set by the seed.

    Args:
        sources: all there are.
        split: which to keep.
        seed: of the split and the order.
        limit: at most so many; all if None.
    """
    kept = [source for source in sources if split_of(source.family, seed) == split]
    kept.sort(key=lambda source: share_of(seed, "order", source.name))
    real = [source for source in kept if not source.is_synthetic]
    synthetic = [source for source in kept if source.is_synthetic]
    pairs = itertools.zip_longest(real, synthetic)
    return [source for pair in pairs for source in pair if source is not None][:limit]
