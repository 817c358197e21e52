"""Frames become small JPEG files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from vidseek.video.thumbnail import encode_thumbnail


def test_a_wide_frame_is_scaled_down_and_keeps_its_colours() -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[:, 640:] = (200, 30, 30)
    with Image.open(io.BytesIO(encode_thumbnail(frame))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (320, 180)
        red, green, _ = picture.convert("RGB").getpixel((300, 90))
    assert red > 180
    assert green < 60


def test_a_narrow_frame_keeps_its_size() -> None:
    with Image.open(io.BytesIO(encode_thumbnail(np.zeros((2, 3, 3), np.uint8)))) as picture:
        assert picture.size == (3, 2)
