"""Checks of what callers give to an encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments

TEXTS_CUT = "texts_cut"
"""``code`` of the log record on texts that are too long. A search has a warning of its own."""


def check_frames(frames: NDArray[np.uint8]) -> None:
    """Frames are an array (N, H, W, 3) uint8; a list of pictures must be stacked.

    Raises:
        TypeError: they are no array.
        ValueError: the array has another shape or type, or no pixels.
    """
    array = arguments.instance(frames, np.ndarray, "frames")
    is_right = array.ndim == 4 and array.shape[3] == 3 and array.dtype == np.uint8
    if not is_right or 0 in array.shape[1:]:
        raise ValueError(f"encode_frames needs (N, H, W, 3) uint8, got {array.shape} {array.dtype}")


def check_texts(texts: Sequence[str]) -> Sequence[str]:
    """Texts are several strings; a single string would be encoded letter by letter.

    Raises:
        TypeError: a single string, or something else.
    """
    return arguments.texts(texts, "texts")
