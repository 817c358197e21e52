"""Edits of the pictures: colours, sharpness, compression, geometry.

footage = crop(footage, left=0.1, top=0.0, right=0.1, bottom=0.2)

Strengths are those of the copy-detection challenges' samplers (``edits.py`` names them). They speak
of parts of the picture, so that they mean the same at every size; ``blur`` is in pixels of a
picture of 720 lines, as those samplers had it.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageEnhance, ImageFilter

from benchmarks.copies.footage import Footage, at_rate, change_pictures, recompress

BLUR_LINES = 720


def _through_table(footage: Footage, table: NDArray[np.float64]) -> Footage:
    """Map every value through a table of 256."""
    values = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return replace(footage, pictures=values[footage.pictures])


def brightness(footage: Footage, *, level: float) -> Footage:
    """Add ``level`` of full white; negative levels darken."""
    return _through_table(footage, np.arange(256) + 255 * level)


def contrast(footage: Footage, *, factor: float) -> Footage:
    """Scale distances from middle grey by ``factor``; below 0 gives a negative."""
    return _through_table(footage, (np.arange(256) - 127.5) * factor + 127.5)


def saturation(footage: Footage, *, factor: float) -> Footage:
    """Scale the saturation: above 1 stronger, 0 grey."""
    return change_pictures(footage, lambda picture: ImageEnhance.Color(picture).enhance(factor))


def colour_jitter(
    footage: Footage, *, brightness: float, contrast: float, saturation: float, hue: float
) -> Footage:
    """Scale brightness, contrast and saturation, and rotate the hue by a fraction of the circle."""
    turn = round(hue * 255)

    def change(picture: Image.Image) -> Image.Image:
        picture = ImageEnhance.Brightness(picture).enhance(brightness)
        picture = ImageEnhance.Contrast(picture).enhance(contrast)
        picture = ImageEnhance.Color(picture).enhance(saturation)
        bands = picture.convert("HSV").split()
        turned = bands[0].point(lambda value: (value + turn) % 256)
        return Image.merge("HSV", (turned, *bands[1:])).convert("RGB")

    return change_pictures(footage, change)


def blur(footage: Footage, *, sigma: float) -> Footage:
    """Gaussian blur."""
    radius = sigma * footage.size[1] / BLUR_LINES
    return change_pictures(footage, lambda image: image.filter(ImageFilter.GaussianBlur(radius)))


def noise(footage: Footage, *, level: float, seed: int) -> Footage:
    """Add normal noise of this standard deviation, in grey levels of 255."""
    random = np.random.default_rng(seed)
    pictures = np.empty_like(footage.pictures)
    for row, picture in enumerate(footage.pictures):
        grain = random.standard_normal(picture.shape, dtype=np.float32)
        pictures[row] = np.clip(picture + level * grain, 0, 255)
    return replace(footage, pictures=pictures)


def pixelise(footage: Footage, *, ratio: float) -> Footage:
    """Pixelate: scale to this fraction of the size and back."""
    size = footage.size
    small = (max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio)))

    def change(picture: Image.Image) -> Image.Image:
        shrunk = picture.resize(small, Image.Resampling.BOX)
        return shrunk.resize(size, Image.Resampling.NEAREST)

    return change_pictures(footage, change)


def encode(footage: Footage, *, crf: int) -> Footage:
    """Re-encode with H.264 at this constant rate factor: 10 is fine, 45 is very coarse."""
    return recompress(footage, crf=crf)


def jpeg(footage: Footage, *, quality: int) -> Footage:
    """Compress every picture with JPEG."""

    def change(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=max(1, quality))
        return Image.open(buffer).convert("RGB")

    return change_pictures(footage, change)


def frame_rate(footage: Footage, *, frames_per_second: float) -> Footage:
    """Change the frame rate at the same speed."""
    return at_rate(footage, frames_per_second)


def scale(footage: Footage, *, ratio: float) -> Footage:
    """Scale the picture."""
    return _resized(footage, ratio, ratio)


def aspect(footage: Footage, *, ratio: float) -> Footage:
    """Multiply the aspect by ``ratio``, keeping the number of pixels."""
    return _resized(footage, ratio**0.5, ratio**-0.5)


def _resized(footage: Footage, across: float, down: float) -> Footage:
    size = (max(2, round(footage.size[0] * across)), max(2, round(footage.size[1] * down)))
    return change_pictures(footage, lambda image: image.resize(size, Image.Resampling.BILINEAR))


def rotate(footage: Footage, *, degrees: float) -> Footage:
    """Rotate counter-clockwise at the same size, with black corners."""
    return change_pictures(
        footage, lambda picture: picture.rotate(degrees, Image.Resampling.BILINEAR)
    )


def rotate_quarters(footage: Footage, *, quarters: int) -> Footage:
    """Rotate counter-clockwise by a multiple of 90 degrees."""
    turned = np.rot90(footage.pictures, quarters, axes=(1, 2))
    return replace(footage, pictures=np.ascontiguousarray(turned))


def mirror(footage: Footage) -> Footage:
    """Mirror left to right."""
    return _flipped(footage, axis=2)


def flip(footage: Footage) -> Footage:
    """Mirror top to bottom."""
    return _flipped(footage, axis=1)


def _flipped(footage: Footage, *, axis: int) -> Footage:
    segments = tuple(segment.flipped() for segment in footage.segments)
    pictures = np.ascontiguousarray(np.flip(footage.pictures, axis))
    return replace(footage, pictures=pictures, segments=segments)


def crop(footage: Footage, *, left: float, top: float, right: float, bottom: float) -> Footage:
    """Crop fractions of the width and height at the four sides."""
    width, height = footage.size
    rows = slice(round(top * height), max(round(top * height) + 2, round((1 - bottom) * height)))
    columns = slice(round(left * width), max(round(left * width) + 2, round((1 - right) * width)))
    return replace(footage, pictures=np.ascontiguousarray(footage.pictures[:, rows, columns]))


def portrait_crop(footage: Footage, *, place: float) -> Footage:
    """Crop landscape footage to 9:16, as for a phone; portrait footage stays as it is.

    Args:
        footage: what is cropped.
        place: where in the free width, 0 (left) to 1 (right).
    """
    width, height = footage.size
    free = max(0.0, 1 - height * 9 / 16 / width)
    return crop(footage, left=place * free, top=0.0, right=(1 - place) * free, bottom=0.0)


def pad(
    footage: Footage, *, left: float, top: float, right: float, bottom: float, colour: str
) -> Footage:
    """Add bars of a colour at the four sides, each a fraction of the width or height."""
    count, height, width, _ = footage.pictures.shape
    across, down = round(left * width), round(top * height)
    wide, high = across + width + round(right * width), down + height + round(bottom * height)
    pictures = np.empty((count, high, wide, 3), np.uint8)
    pictures[:] = ImageColor.getrgb(colour)[:3]
    pictures[:, down : down + height, across : across + width] = footage.pictures
    return replace(footage, pictures=pictures)


def perspective(footage: Footage, *, sigma: float, shake: float, seed: int) -> Footage:
    """Simulate filming at an angle with an unsteady hand.

    Args:
        footage: what is filmed.
        sigma: standard deviation of each corner's displacement, pixels of a picture of 720 lines.
        shake: standard deviation of the movement from picture to picture, in the same pixels.
        seed: of the displacements.
    """
    random = np.random.default_rng(seed)
    width, height = footage.size
    unit = height / BLUR_LINES
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    seen = corners + random.normal(0, sigma * unit, (4, 2))
    pictures = np.empty_like(footage.pictures)
    for row, picture in enumerate(footage.pictures):
        moved = seen + random.normal(0, shake * unit, 2)
        pictures[row] = np.asarray(
            Image.fromarray(picture).transform(
                (width, height),
                Image.Transform.PERSPECTIVE,
                _projection(corners, moved),
                Image.Resampling.BILINEAR,
            )
        )
    return replace(footage, pictures=pictures)


def _projection(targets: NDArray[np.float64], origins: NDArray[np.float64]) -> list[float]:
    """The eight coefficients of the projection that maps four target points to their origins."""
    rows, values = [], []
    for (x, y), (u, v) in zip(targets, origins, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    return [float(number) for number in np.linalg.solve(np.array(rows), np.array(values))]
