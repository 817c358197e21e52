"""Overlays for views (text, bars, logos, spots, shapes), and slides made of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vidseek.training.lab.copies.compositions import Random
from vidseek.training.networks.copy_network import PICTURE_SIZE

BANK_SIZE = 600


def draw_overlays(seed: int, count: int = BANK_SIZE) -> Tensor:
    """(count, 4, S, S) uint8 RGBA: text, bars with text, logos, spots and shapes."""
    random = np.random.default_rng([seed, 77])
    drawn = [np.asarray(_overlay(random)) for _ in range(count)]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def _overlay(random: Random) -> Image.Image:
    side = PICTURE_SIZE
    canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    kind = random.choice(["text", "bar", "logo", "spots", "shapes"], p=[0.35, 0.2, 0.25, 0.1, 0.1])
    if kind == "text":
        for _ in range(int(random.integers(1, 4))):
            _write(pen, random, random.uniform(0, 0.7 * side), random.uniform(-0.1, 0.85) * side)
    elif kind == "bar":
        bar_height = random.uniform(0.08, 0.26) * side
        top = random.choice([0.0, side - bar_height])
        colour = _tint(random) if random.random() < 0.4 else random.choice([0, 255]).repeat(3)
        pen.rectangle((0, top, side, top + bar_height), fill=(*(int(c) for c in colour), 255))
        _write(
            pen,
            random,
            random.uniform(0, 0.3 * side),
            top + 0.1 * bar_height,
            size=0.7 * bar_height,
        )
    elif kind == "logo":
        for _ in range(int(random.integers(1, 5))):
            _shape(pen, random, random.uniform(0.08, 0.3) * side)
    elif kind == "spots":
        for _ in range(int(random.integers(30, 200))):
            _shape(pen, random, random.uniform(0.01, 0.03) * side)
    else:
        for _ in range(int(random.integers(1, 4))):
            _shape(pen, random, random.uniform(0.05, 0.25) * side)
    return canvas


def draw_slides(seed: int, count: int) -> NDArray[np.uint8]:
    """(count, S, S, 3) uint8 RGB: titles and slides, with text and shapes on fields of colour.

    Slides look alike whatever they say, so score normalisation needs examples of them.
    """
    random = np.random.default_rng([seed, 78])
    slides = np.empty((count, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    for row in range(count):
        canvas = Image.new("RGB", (PICTURE_SIZE, PICTURE_SIZE), _tint(random))
        pen = ImageDraw.Draw(canvas)
        for _ in range(int(random.integers(0, 4))):
            corner = random.uniform(-0.2, 0.8, 2) * PICTURE_SIZE
            size = random.uniform(0.2, 1.4, 2) * PICTURE_SIZE
            pen.rectangle((*corner, *(corner + size)), fill=_tint(random))
        for _ in range(int(random.integers(1, 3))):
            overlay = _overlay(random)
            canvas.paste(overlay, (0, 0), overlay)
        slides[row] = np.asarray(canvas)
    return slides


def _tint(random: Random) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _write(
    pen: ImageDraw.ImageDraw, random: Random, x: float, y: float, size: float | None = None
) -> None:
    signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789    !?.#@"
    words = "".join(random.choice(list(signs), int(random.integers(3, 22))))
    height = max(6.0, size if size is not None else random.uniform(0.06, 0.28) * PICTURE_SIZE)
    font = ImageFont.load_default(height)
    edge = int(random.integers(0, 3))
    pen.text((x, y), words, _tint(random), font, stroke_width=edge, stroke_fill=_tint(random))


def _shape(pen: ImageDraw.ImageDraw, random: Random, radius: float) -> None:
    x, y = random.uniform(0, PICTURE_SIZE, 2)
    box = (x - radius, y - radius, x + radius, y + radius)
    colour = (*_tint(random), int(random.integers(120, 256)))
    kind = random.integers(4)
    if kind == 0:
        pen.ellipse(box, fill=colour, outline=_tint(random))
    elif kind == 1:
        pen.rectangle(box, fill=colour)
    elif kind == 2:
        pen.regular_polygon((x, y, max(1.0, radius)), int(random.integers(3, 8)), fill=colour)
    else:  # a face, as on emoji
        pen.ellipse(box, fill=colour)
        for sign in (-1, 1):
            eye = (x + sign * 0.4 * radius, y - 0.3 * radius)
            pen.ellipse(
                (
                    eye[0] - 0.12 * radius,
                    eye[1] - 0.12 * radius,
                    eye[0] + 0.12 * radius,
                    eye[1] + 0.12 * radius,
                ),
                fill=(0, 0, 0, 255),
            )
        pen.arc(
            (x - 0.5 * radius, y - 0.4 * radius, x + 0.5 * radius, y + 0.6 * radius),
            20,
            160,
            fill=(0, 0, 0, 255),
            width=max(1, int(radius / 8)),
        )


def draw_over(pictures: Tensor, overlays: Tensor, random: Random) -> Tensor:
    """Draw an overlay over some pictures, opaque or translucent, in place."""
    for row in np.flatnonzero(random.random(len(pictures)) < 0.35):
        overlay = overlays[int(random.integers(len(overlays)))].float()
        opacity = 1.0 if random.random() < 0.6 else random.uniform(0.2, 1)
        alpha = overlay[3:] / 255 * opacity
        pictures[row] = pictures[row] * (1 - alpha) + overlay[:3] * alpha
    return pictures
