"""Edits that draw over the pictures: words, bars, logos, dots, shapes.

footage = text(footage, words="FOLLOW ME", size=0.2, x=0.1, y=0.5, opacity=0.8, colour="#ffd000")
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from benchmarks.copies.footage import Footage, change_pictures


@functools.lru_cache(maxsize=32)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # The font inside Pillow: the same on every machine.
    return ImageFont.load_default(size=max(6, pixels))


def _drawn_over(footage: Footage, layer: Image.Image) -> Footage:
    """Put an RGBA layer of the same size over every picture."""
    colours, mask = layer.convert("RGB"), layer.getchannel("A")

    def change(picture: Image.Image) -> Image.Image:
        picture.paste(colours, mask=mask)
        return picture

    return change_pictures(footage, lambda picture: change(picture.copy()))


def _layer(footage: Footage) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    layer = Image.new("RGBA", footage.size, (0, 0, 0, 0))
    return layer, ImageDraw.Draw(layer)


def _ink(colour: str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue, round(255 * opacity)


def text(
    footage: Footage, *, words: str, size: float, x: float, y: float, opacity: float, colour: str
) -> Footage:
    """Draw words at a position; ``x``, ``y`` and ``size`` are fractions of the picture."""
    layer, draw = _layer(footage)
    width, height = footage.size
    font = _font(round(size * height))
    draw.text((x * width, y * height), words, font=font, fill=_ink(colour, opacity))
    return _drawn_over(footage, layer)


def text_bar(
    footage: Footage, *, words: str, share: float, at_top: bool, colour: str, ink: str
) -> Footage:
    """Draw a bar with words across the picture, ``share`` of its height."""
    layer, draw = _layer(footage)
    width, height = footage.size
    high = max(2, round(share * height))
    top = 0 if at_top else height - high
    draw.rectangle((0, top, width, top + high), fill=_ink(colour, 1))
    middle = (width / 2, top + high / 2)
    draw.text(middle, words, font=_font(round(0.6 * high)), fill=_ink(ink, 1), anchor="mm")
    return _drawn_over(footage, layer)


def logo(
    footage: Footage, *, size: float, x: float, y: float, opacity: float, colour: str
) -> Footage:
    """Draw an emoji face, ``size`` of the height, with its top left corner at a position."""
    layer, draw = _layer(footage)
    width, height = footage.size
    _face(draw, x * width, y * height, size * height, colour, opacity)
    return _drawn_over(footage, layer)


def corner_logos(footage: Footage, *, size: float, opacity: float, colour: str) -> Footage:
    """Draw the same mark in all four corners."""
    layer, draw = _layer(footage)
    width, height = footage.size
    side = size * height
    for x in (0.02 * width, 0.98 * width - side):
        for y in (0.02 * height, 0.98 * height - side):
            _face(draw, x, y, side, colour, opacity)
    return _drawn_over(footage, layer)


def _face(
    draw: ImageDraw.ImageDraw, x: float, y: float, side: float, colour: str, opacity: float
) -> None:
    dark = _ink("#202020", opacity)
    draw.ellipse((x, y, x + side, y + side), fill=_ink(colour, opacity), outline=dark)
    for eye in (0.3, 0.6):
        left, top = x + eye * side, y + 0.28 * side
        draw.ellipse((left, top, left + 0.1 * side, top + 0.14 * side), fill=dark)
    mouth = (x + 0.22 * side, y + 0.3 * side, x + 0.78 * side, y + 0.8 * side)
    draw.arc(mouth, 20, 160, fill=dark, width=max(1, round(0.06 * side)))


def dots(footage: Footage, *, count: int, seed: int) -> Footage:
    """Draw small dots of random colours at fixed positions."""
    random = np.random.default_rng(seed)
    layer, draw = _layer(footage)
    width, height = footage.size
    for _ in range(count):
        x, y = random.uniform(0, width), random.uniform(0, height)
        radius = random.uniform(0.004, 0.015) * height + 0.5
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_any_colour(random))
    return _drawn_over(footage, layer)


def shapes(footage: Footage, *, count: int, seed: int) -> Footage:
    """Draw rectangles, ellipses and triangles of random colours, 0.1 to 0.4 of the height."""
    random = np.random.default_rng(seed)
    layer, draw = _layer(footage)
    width, height = footage.size
    for _ in range(count):
        side = random.uniform(0.1, 0.4) * height
        x, y = random.uniform(0, width - side), random.uniform(0, max(1.0, height - side))
        kind, colour = int(random.integers(3)), _any_colour(random)
        if kind == 0:
            draw.rectangle((x, y, x + side, y + side), fill=colour)
        elif kind == 1:
            draw.ellipse((x, y, x + side, y + side), fill=colour)
        else:
            draw.polygon([(x, y + side), (x + side, y + side), (x + side / 2, y)], fill=colour)
    return _drawn_over(footage, layer)


def _any_colour(random: np.random.Generator) -> tuple[int, int, int, int]:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue, 255
