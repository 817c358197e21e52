"""The training pixels of the copy descriptor, cached as small squares on disk.

    cache_pictures(Path("../shared/data"), Path(".cache/copies"), seed=0)
    pictures = open_pictures(Path(".cache/copies"))
    pictures.pixels[0]           # (176, 176, 3) uint8

Pictures of the splits ``train`` and ``background``, and frames of clips of those splits, two a
second. Sources of the test split are not read at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vidseek.core.errors import VideoError
from vidseek.training.lab.copies.splits import Split, picture_families, split_of
from vidseek.training.lab.pictures import picture_files, read_pictures
from vidseek.video import open_video

logger = logging.getLogger(__name__)

SIDE = 176
"""Side of the cached squares: larger than the network's input, so that crops stay sharp."""
SETS = ("flickr8k", "msrvtt", "sports100", "caltech101", "scenes15", "misc")
CACHED_SPLITS: tuple[Split, ...] = ("train", "background")
CLIPS = Path("videos/clips")
"""Below the data folder. A clip's family is its file name, as in the benchmark of copies."""
CLIP_INTERVAL_SECONDS = 0.5
STILL_SECONDS = 1e6
"""Time between two pictures of one family, so that they are not neighbours in time."""


@dataclass(frozen=True)
class TrainingPictures:
    """Cached squares and their sources, row by row."""

    pixels: NDArray[np.uint8]
    """(N, 176, 176, 3) uint8 RGB, memory-mapped."""
    families: NDArray[np.int64]
    """(N,) number of each row's family."""
    seconds: NDArray[np.float64]
    """(N,) times of frames; pictures of one family are far apart."""
    is_background: NDArray[np.bool_]
    """(N,) True for the split ``background``."""


def open_pictures(cache: Path) -> TrainingPictures:
    """Open the files written by ``cache_pictures``.

    Raises:
        FileNotFoundError: the cache is not complete.
    """
    table = cache / "pictures.npz"
    if not table.exists():
        raise FileNotFoundError(
            f"{table} is missing: run `python -m vidseek.training.lab.copies cache`"
        )
    with np.load(table) as arrays:
        count = len(arrays["families"])
        return TrainingPictures(
            np.load(cache / "pixels.npy", mmap_mode="r")[:count],
            arrays["families"],
            arrays["seconds"],
            arrays["is_background"],
        )


def cache_pictures(data: Path, cache: Path, *, seed: int) -> None:
    """Decode and store every picture that may be trained on.

    Args:
        data: the data folder.
        cache: folder for the files; made if missing.
        seed: random seed of the splits.
    """
    cache.mkdir(parents=True, exist_ok=True)
    records: list[tuple[int, float, bool]] = []
    numbers: dict[str, int] = {}
    partial = cache / "pixels.partial.npy"
    tables = [file for name in SETS for file in picture_files(data, name)]
    most = sum(len(rows) for rows in picture_families(tables).values()) + 5000
    pixels = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.uint8, shape=(most, SIDE, SIDE, 3)
    )
    for name in SETS:
        for family, seconds, picture in (
            *_set_pictures(data, name, seed),
            *(_clip_frames(data / CLIPS, seed) if name == SETS[-1] else ()),
        ):
            number = numbers.setdefault(family, len(numbers))
            pixels[len(records)] = picture.convert("RGB").resize((SIDE, SIDE))
            records.append((number, seconds, split_of(family, seed) == "background"))
        logger.info("%s: %d pictures so far", name, len(records))
    pixels.flush()
    partial.replace(cache / "pixels.npy")
    families, times, background = zip(*records, strict=True)
    np.savez(
        cache / "pictures.npz",
        families=np.array(families, np.int64),
        seconds=np.array(times, np.float64),
        is_background=np.array(background, np.bool_),
    )
    (cache / "pictures.json").write_text(json.dumps({"seed": seed, "families": list(numbers)}))


def _set_pictures(data: Path, name: str, seed: int) -> Iterator[tuple[str, float, Image.Image]]:
    families: dict[tuple[Path, int], str] = {
        row: family
        for family, rows in picture_families(picture_files(data, name)).items()
        for row in rows
    }
    places = [
        (file, row)
        for file in picture_files(data, name)
        for row in range(sum(1 for one in families if one[0] == file))
    ]
    for count, (place, picture) in enumerate(zip(places, read_pictures(data, name), strict=True)):
        family = families[place]
        if split_of(family, seed) in CACHED_SPLITS:
            yield family, count * STILL_SECONDS, Image.fromarray(picture)


def _clip_frames(folder: Path, seed: int) -> Iterator[tuple[str, float, Image.Image]]:
    for file in sorted(folder.glob("*.*")):
        if file.suffix == ".json" or split_of(file.name, seed) not in CACHED_SPLITS:
            continue
        try:
            with open_video(file) as video:
                seconds = video.packets().pts_seconds
                ticks = np.arange(0.0, float(seconds[-1]) + 1e-6, CLIP_INTERVAL_SECONDS)
                rows = np.unique(np.searchsorted(seconds, ticks))
                for batch in video.frames(rows[rows < len(seconds)]):
                    for frame, time in zip(batch.data, batch.pts_seconds, strict=True):
                        yield file.name, float(time), Image.fromarray(frame)
        except VideoError as error:
            logger.warning("%s", error)
