"""Views of a training picture as poor copies show it: blurred, small, compressed, dark, framed.

view = make_poor(picture, np.random.default_rng(3))

Unlike in ``augmentation.py`` nothing is cropped away, so the view shows what the picture shows and
should get the same vector.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Picture = NDArray[np.uint8]
Change = Callable[[Picture, np.random.Generator], Picture]

SECOND_SHARE = 0.25
"""Share of the views with two changes: copies of copies."""


def make_poor(picture: Picture, random: np.random.Generator) -> Picture:
    """Make a random view.

    Args:
        picture: (H, W, 3) uint8 RGB.
        random: source of randomness; the same state gives the same view.

    Returns:
        (H', W', 3) uint8 RGB; larger than the picture if it got bars.
    """
    count = 2 if random.random() < SECOND_SHARE else 1
    for place in random.choice(len(CHANGES), count, replace=False, p=_SHARES):
        picture = CHANGES[place][0](picture, random)
    return picture


def _blur(picture: Picture, random: np.random.Generator) -> Picture:
    radius = np.exp(random.uniform(np.log(0.005), np.log(0.04))) * picture.shape[0]
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(float(radius))))


def _shrink(picture: Picture, random: np.random.Generator) -> Picture:
    side = int(np.exp(random.uniform(np.log(48), np.log(160))))
    ways = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.NEAREST)
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    way = ways[random.choice(3, p=[0.6, 0.3, 0.1])]
    return np.asarray(small.resize(picture.shape[1::-1], way))


def _compress(picture: Picture, random: np.random.Generator) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(random.integers(8, 41)))
    return np.asarray(Image.open(buffer))


def _add_noise(picture: Picture, random: np.random.Generator) -> Picture:
    shape = picture.shape if random.random() < 0.5 else (*picture.shape[:2], 1)  # film has grain
    noise = random.normal(0.0, random.uniform(5, 35), shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _expose(picture: Picture, random: np.random.Generator) -> Picture:
    gain = random.uniform(0.25, 0.7) if random.random() < 0.6 else random.uniform(1.3, 1.7)
    exposed: Picture = np.clip(picture * gain, 0, 255).astype(np.uint8)
    return exposed


def _fade(picture: Picture, random: np.random.Generator) -> Picture:
    grey = random.uniform(80, 176)
    return (grey + (picture - grey) * random.uniform(0.3, 0.7)).clip(0, 255).astype(np.uint8)


def _add_bars(picture: Picture, random: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    upright = random.random() < 0.5
    share = random.uniform(0.1, 0.5 if upright else 0.3)
    bar = round((width if upright else height) * share / (1 - share) / 2)
    pad = ((0, 0), (bar, bar)) if upright else ((bar, bar), (0, 0))
    return np.pad(picture, (*pad, (0, 0)))


def _interlace(picture: Picture, random: np.random.Generator) -> Picture:
    """Every second line from a moment later, when everything has moved sideways."""
    view = picture.copy()
    moved = int(random.integers(2, 9)) * (1 if random.random() < 0.5 else -1)
    view[1::2] = np.roll(picture[1::2], moved, axis=1)
    return view


def _add_subtitles(picture: Picture, random: np.random.Generator) -> Picture:
    """Strokes as coarse as letters on a dark strip near the lower edge, or without the strip."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    height, width = picture.shape[:2]
    tall = height * random.uniform(0.05, 0.12)
    top = height * random.uniform(0.8, 0.87)
    if random.random() < 0.5:
        draw.rectangle((0, top - tall * 0.2, width, top + tall * 1.2), fill=(0, 0, 0))
    left, end = width * random.uniform(0.05, 0.3), width * random.uniform(0.7, 0.95)
    while left < end:
        wide = tall * random.uniform(0.2, 0.6)
        if random.random() < 0.85:  # otherwise a space
            draw.line((left, top, left + wide * 0.3, top + tall), (255, 255, 255), 2)
            draw.line((left, top + tall * random.random(), left + wide, top), (255, 255, 255), 2)
        left += wide * 1.3
    return np.asarray(image)


def _add_logo(picture: Picture, random: np.random.Generator) -> Picture:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    height, width = picture.shape[:2]
    wide, tall = width * random.uniform(0.08, 0.2), height * random.uniform(0.05, 0.12)
    left = width * 0.03 if random.random() < 0.5 else width * 0.97 - wide
    top = height * 0.03 if random.random() < 0.7 else height * 0.97 - tall
    colours = [tuple(int(level) for level in random.integers(0, 256, 3)) for _ in range(2)]
    draw.rectangle((left, top, left + wide, top + tall), fill=colours[0])
    draw.ellipse((left, top, left + tall, top + tall), fill=colours[1])
    return np.asarray(image)


CHANGES: tuple[tuple[Change, float], ...] = (
    (_blur, 0.24),
    (_shrink, 0.18),
    (_compress, 0.18),
    (_add_noise, 0.14),
    (_expose, 0.08),
    (_fade, 0.03),
    (_add_bars, 0.06),
    (_interlace, 0.03),
    (_add_subtitles, 0.03),
    (_add_logo, 0.03),
)
"""What copies suffer, and how often each is drawn."""
_SHARES = [share for _, share in CHANGES]
