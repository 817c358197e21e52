"""Black bars around a picture: letterbox and pillarbox.

    pictures = without_bars(batch.data)

Encoders squash the whole frame, so bars shrink and distort the picture: pillarbox bars of 44 % of
the width take 5 points off recall at 10 (`python -m benchmarks.degradation`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_BAR_LEVEL = 20
"""Grey levels: a compressed black bar is not quite black."""
MIN_BAR_SHARE = 0.02
"""A thinner bar is left: it changes nothing that an encoder sees."""
MIN_PICTURE_SHARE = 0.3
"""Of a side. If less than this is lit, it is a dark scene, not a picture with bars."""


def without_bars(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut black bars off frames of one video.

    All frames are cut alike: a row or column is a part of a bar if it is black in every frame. So a
    dark scene is not cut where another of the frames shows something.

    Args:
        frames: (N, H, W, 3) uint8 RGB.

    Returns:
        (N, h, w, 3) uint8; the frames themselves if they have no bars.
    """
    if len(frames) == 0:
        return frames
    rows, columns = lit_part(frames)
    cut = frames[:, rows, columns]
    return frames if cut.shape == frames.shape else np.ascontiguousarray(cut)


def lit_part(frames: NDArray[np.uint8]) -> tuple[slice, slice]:
    """The rows and columns that ``without_bars`` leaves of at least one frame (N, H, W, 3)."""
    brightest = frames.max(axis=(0, 3))
    return slice(*_lit(brightest.max(axis=1))), slice(*_lit(brightest.max(axis=0)))


def _lit(levels: NDArray[np.uint8]) -> tuple[int, int]:
    """First lit line and the line after the last; all of them without bars."""
    count = len(levels)
    lit = np.flatnonzero(levels > MAX_BAR_LEVEL)
    if len(lit) == 0:
        return 0, count
    first, last = int(lit[0]), int(lit[-1]) + 1
    if last - first < MIN_PICTURE_SHARE * count:
        return 0, count
    least = MIN_BAR_SHARE * count
    return first if first >= least else 0, last if count - last >= least else count
