"""Augmented views of a training picture: random crop, colours, blur, compression.

view = change_picture(picture, np.random.default_rng(3))

A library's frames are soft, dark, tinted and compressed; the training photographs are not.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

SMALLEST_AREA = 0.45
"""Smallest share of the picture in a crop, so that the captioned subject stays visible."""


def change_picture(picture: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Make a random view.

    Args:
        picture: (H, W, 3) uint8 RGB.
        random: source of randomness; the same state gives the same view.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    height, width = picture.shape[:2]
    area, shape = random.uniform(SMALLEST_AREA, 1.0), np.exp(random.uniform(-0.25, 0.25))
    crop_height = min(height, max(1, round(height * float(np.sqrt(area * shape)))))
    crop_width = min(width, max(1, round(width * float(np.sqrt(area / shape)))))
    top, left = (
        random.integers(0, height - crop_height + 1),
        random.integers(0, width - crop_width + 1),
    )
    view = Image.fromarray(
        np.ascontiguousarray(picture[top : top + crop_height, left : left + crop_width])
    )
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        view = enhance(view).enhance(float(random.uniform(0.6, 1.4)))
    if random.random() < 0.1:
        view = view.convert("L").convert("RGB")
    if random.random() < 0.3:
        view = view.filter(ImageFilter.GaussianBlur(float(random.uniform(0.3, 2.0))))
    if random.random() < 0.3:
        buffer = io.BytesIO()
        view.save(buffer, "JPEG", quality=int(random.integers(20, 70)))
        view = Image.open(buffer).convert("RGB")
    return np.asarray(view)
