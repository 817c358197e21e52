"""Small videos and pictures to make a benchmark of: each looks like no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies.footage import Footage, Format, write_footage

FORM = Format(short_side=48, frame_rate=5)


def patterned(seed: int, *, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture of large random patches."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.BICUBIC)


def write_video(path: Path, seed: int, *, seconds: float = 4.0) -> Path:
    """A picture that scrolls, replaced halfway by another."""
    count = round(seconds * FORM.frame_rate)
    pictures = []
    for row in range(count):
        picture = np.asarray(patterned(2 * seed + (row >= count // 2)))
        pictures.append(np.roll(picture, row, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_footage(Footage(np.stack(pictures), FORM.frame_rate), path)
    return path


def write_videos(folder: Path, count: int) -> list[Path]:
    return [write_video(folder / f"video {seed}.mp4", seed) for seed in range(count)]
