"""Resizing of frames to the square pictures that the built-in model and the descriptor take.

The whole frame is squashed, in training and at run time alike: a crop loses the edges, and black
bars waste cells of the feature map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def squash(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize frames to squares by Pillow's antialiased bicubic filter.

    Args:
        frames: (N, H, W, 3) uint8 RGB.
        side: pixels of the result.

    Returns:
        (N, side, side, 3) uint8.
    """
    from PIL import Image

    if frames.shape[1:3] == (side, side):
        return frames
    squares = np.empty((len(frames), side, side, 3), np.uint8)
    for square, frame in zip(squares, frames, strict=True):
        # reducing_gap halves the cost on large frames and changes no pixel by more than rounding
        # noise: Pillow shrinks by whole factors first, but keeps thrice the final size.
        square[:] = np.asarray(
            Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0)
        )
    return squares
