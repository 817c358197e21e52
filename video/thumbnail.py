"""Scale a decoded frame down and compress it, for showing a clip in a list of results."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH = 320
"""Pixels. Wider frames are scaled down; narrower frames are not changed."""

_JPEG_QUALITY = 80


def encode_thumbnail(frame: NDArray[np.uint8]) -> bytes:
    """Compress a frame to a JPEG file of at most ``MAX_WIDTH`` pixels width.

    Args:
        frame: (H, W, 3) uint8 RGB.
    """
    from PIL import Image

    picture = Image.fromarray(frame)
    if picture.width > MAX_WIDTH:
        height = max(1, round(picture.height * MAX_WIDTH / picture.width))
        picture = picture.resize((MAX_WIDTH, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return jpeg.getvalue()
