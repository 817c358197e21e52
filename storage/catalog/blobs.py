"""Arrays stored as float16 blobs: little-endian, without a header."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, LibraryDamagedError


def to_half(array: NDArray[np.float32], shape: tuple[int, ...]) -> bytes:
    """Pack an array.

    Raises:
        ValueError: wrong shape, or a value out of float16's range.
    """
    if array.shape != shape:
        raise ValueError(f"the encoder's spec says {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        half = np.asarray(array).astype("<f2")
    if not np.isfinite(half).all():
        raise ValueError("vectors and tokens must be finite and at most 65504")
    return half.tobytes()


def from_half(blob: bytes, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Unpack to float32.

    Raises:
        LibraryDamagedError: the blob has the wrong length.
    """
    expected = 2 * math.prod(shape)
    if len(blob) != expected:
        raise LibraryDamagedError(
            f"A stored vector has {len(blob)} bytes, not {expected}", hint=Hint("run_doctor")
        )
    return np.frombuffer(blob, dtype="<f2").reshape(shape).astype(np.float32)
