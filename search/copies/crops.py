"""Query crops: the parts of an upload's picture that may show a copy.

for crop in query_crops(pictures):
    crop.name, crop.pictures           # 'left half', (N, H, W, 3)

The descriptor is robust to most edits. Where the copy is only part of the picture, beside or on top
of something else, that part has to be compared alone. VSC 2022's third place calls such crops the
largest gain (`research/copy-detection.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.spacing import evenly_spaced

BORDER_DEVIATION = 4.0
"""Rows and columns whose pixels vary less than this, within and between pictures, are borders: bars
of one colour."""
SAMPLED_PICTURES = 40
"""Evenly spaced pictures that are examined to find borders and boxes."""
MIN_SHARE = 0.3
"""Minimum share of a side: a smaller box shows too little."""
MOTION_SHARE = 0.25
"""Share of the largest mean change; rows and columns that change more are in the moving box."""
UPSIDE_DOWN = "upside down"


@dataclass(frozen=True)
class Crop:
    """The same part of every picture."""

    name: str
    pictures: NDArray[np.uint8]
    """(N, H, W, 3) uint8 RGB."""


def query_crops(pictures: NDArray[np.uint8]) -> Iterator[Crop]:
    """The crops to compare, those detected in the pictures first.

    Args:
        pictures: (N, H, W, 3) uint8 RGB of one upload in order of time; N is at least 1.
    """
    inner = without_borders(pictures)
    if inner is not None:
        yield Crop("without borders", inner)
        pictures = inner
    box = moving_box(pictures)
    if box is not None:
        yield Crop("moving box", box)
    height, width = pictures.shape[1:3]
    for name, down, across in _CROPS:
        top, bottom = (round(at * height) for at in down)
        left, right = (round(at * width) for at in across)
        if min(bottom - top, right - left) >= 16:
            yield Crop(name, pictures[:, top:bottom, left:right])
    # Rotations last: they are the rarest, and the most expensive to compare.
    yield Crop(UPSIDE_DOWN, pictures[:, ::-1])
    yield Crop("turned left", np.rot90(pictures, 1, (1, 2)))
    yield Crop("turned right", np.rot90(pictures, 3, (1, 2)))


_CROPS: tuple[tuple[str, tuple[float, float], tuple[float, float]], ...] = (
    ("left half", (0, 1), (0, 0.5)),
    ("right half", (0, 1), (0.5, 1)),
    ("upper half", (0, 0.5), (0, 1)),
    ("lower half", (0.5, 1), (0, 1)),
    ("middle", (0.17, 0.83), (0.17, 0.83)),
    ("upper left", (0, 0.6), (0, 0.6)),
    ("upper right", (0, 0.6), (0.4, 1)),
    ("lower left", (0.4, 1), (0, 0.6)),
    ("lower right", (0.4, 1), (0.4, 1)),
    ("upper left quarter", (0, 0.5), (0, 0.5)),
    ("upper right quarter", (0, 0.5), (0.5, 1)),
    ("lower left quarter", (0.5, 1), (0, 0.5)),
    ("lower right quarter", (0.5, 1), (0.5, 1)),
)


def without_borders(pictures: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The pictures without bars of one colour; None without bars, or if little else is left."""
    grey = _sampled_grey(pictures)
    rows = _is_inside(grey)
    columns = _is_inside(grey.transpose(0, 2, 1))
    if rows is None or columns is None or (rows == slice(None) and columns == slice(None)):
        return None
    inner = pictures[:, rows, columns]
    sides = zip(inner.shape[1:3], pictures.shape[1:3], strict=True)
    return None if any(now < MIN_SHARE * before for now, before in sides) else inner


def _sampled_grey(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(K, H, W) mean of the channels of evenly spaced pictures."""
    sampled = pictures[evenly_spaced(len(pictures), SAMPLED_PICTURES)]
    # `mean` over an axis of three is slow.
    grey: NDArray[np.float32] = np.add(sampled[..., 0], sampled[..., 1], dtype=np.float32)
    grey += sampled[..., 2]
    grey /= np.float32(3)
    return grey


def _is_inside(grey: NDArray[np.float32]) -> slice | None:
    """The rows between plain bars above and below; None if every row is plain."""
    deviation = np.sqrt(grey.var(axis=2).mean(axis=0))  # along a row
    change = grey.mean(axis=2).std(axis=0)  # of a row from picture to picture
    plain = (deviation < BORDER_DEVIATION) & (change < BORDER_DEVIATION)
    inside = np.flatnonzero(~plain)
    if len(inside) == 0:
        return None
    first, last = int(inside[0]), int(inside[-1]) + 1
    trimmed = first + len(plain) - last
    # A pixel or two of ringing at an edge is not a bar.
    return slice(None) if trimmed <= 0.03 * len(plain) else slice(first, last)


def moving_box(pictures: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The part of the pictures that moves while the rest is static; None without such a part."""
    if len(pictures) < 3:
        return None
    grey = _sampled_grey(pictures)
    change = np.abs(np.diff(grey, axis=0)).mean(0)
    most = float(np.quantile(change, 0.98))
    if most < 2.0:
        return None
    spans = []
    for axis in (1, 0):
        moving = np.flatnonzero(change.mean(axis) > MOTION_SHARE * change.mean(axis).max())
        spans.append((int(moving[0]), int(moving[-1]) + 1))
    (top, bottom), (left, right) = spans
    height, width = change.shape
    shares = ((bottom - top) / height, (right - left) / width)
    if min(shares) < MIN_SHARE or shares[0] * shares[1] > 0.8:
        return None
    outside = change.sum() - change[top:bottom, left:right].sum()
    rest = change.size - (bottom - top) * (right - left)
    # If the rest moves as well, there is no box.
    if outside / max(rest, 1) > 0.5 * change[top:bottom, left:right].mean():
        return None
    return pictures[:, top:bottom, left:right]
