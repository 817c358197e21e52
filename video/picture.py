"""Read a still picture as a video of one frame, for searching by picture."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidseek.core.errors import (
    DecodeLimitError,
    NotAVideoError,
    UnreadableVideoError,
    VideoError,
)
from vidseek.core.types import FrameBatch
from vidseek.video.hints import COPY_AGAIN, SHRINK_PICTURE

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
LARGE_PIXELS = 16_000_000
"""Larger pictures are shrunk while they are read: 100 million pixels took 1.8 to 2.5 GB, and what
looks at them sees a few hundred pixels a side."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000", "TGA", "ICO")
"""What Pillow may open a file as. GIF is read as a video."""


def is_picture(path: Path) -> bool:
    """True if the file's first bytes are those of a still picture that can be read."""
    try:
        with _open(path):
            return True
    except VideoError:
        return False


def read_picture(path: Path) -> FrameBatch:
    """Read a picture: upright, RGB, transparency over white.

    Returns:
        A batch of one frame at 0 seconds: (1, H, W, 3) uint8, of a picture of more than
        ``LARGE_PIXELS`` shrunk by a whole factor.

    Raises:
        NotAVideoError: no picture.
        UnreadableVideoError: a picture, but damaged.
        DecodeLimitError: more than ``MAX_PIXELS``.
    """
    import PIL.Image
    from PIL import ImageOps

    with _open(path) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise DecodeLimitError(
                f"{width} x {height} pixels; the limit is {MAX_PIXELS / 1e6:.0f} million",
                path=path,
                hint=SHRINK_PICTURE,
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd EXIF, size warnings: the limit is ours
                shrink = _factor(width, height)
                if shrink > 1:
                    # JPEG comes out of its decoder smaller; other formats do not know this.
                    image.draft(None, (width // shrink, height // shrink))
                # In place: a copy of a large picture is 400 MB.
                ImageOps.exif_transpose(image, in_place=True)
                upright: Image = _shrunk(image, _factor(*image.size))
                if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
                    upright = _from_deep_grey(upright)
                if (
                    upright.mode in ("RGBA", "LA", "PA", "RGBa", "La")
                    or "transparency" in upright.info
                ):
                    layered = upright.convert("RGBA")
                    upright = PIL.Image.new("RGBA", layered.size, (255, 255, 255, 255))
                    upright.alpha_composite(layered)
                data = np.asarray(upright.convert("RGB"), dtype=np.uint8)
        except Exception as error:  # Pillow's decoders raise of everything
            raise UnreadableVideoError(
                f"the picture is damaged: {error}", path=path, hint=COPY_AGAIN
            ) from error
    return FrameBatch(np.ascontiguousarray(data)[np.newaxis], np.zeros(1, dtype=np.float64))


def _open(path: Path) -> Image:
    import PIL.Image
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            return PIL.Image.open(path, formats=FORMATS)
    except PIL.Image.DecompressionBombError as error:
        raise DecodeLimitError(
            f"more pixels than the limit of {MAX_PIXELS / 1e6:.0f} million",
            path=path,
            hint=SHRINK_PICTURE,
        ) from error
    except (UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise NotAVideoError("no picture that vidseek reads", path=path) from error
    except OSError as error:
        reason = f"cannot be opened: {error.strerror or error}"
        raise UnreadableVideoError(reason, path=path) from error


def _factor(width: int, height: int) -> int:
    """By which whole factor a picture is shrunk: 1 up to ``LARGE_PIXELS``, then to a few millions.

    The short side keeps a thousand pixels: a panorama is large by its length alone.
    """
    if width * height <= LARGE_PIXELS:
        return 1
    return max(1, min(math.isqrt(4 * width * height // LARGE_PIXELS), min(width, height) // 1000))


def _shrunk(image: Image, factor: int) -> Image:
    """Each square of ``factor`` x ``factor`` pixels as their mean."""
    if factor == 1:
        return image
    # What a pixel means must be a colour before pixels can be averaged.
    if image.mode in ("P", "PA") or "transparency" in image.info:
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith("I;16"):
        image = image.convert("I")
    return image.reduce(factor)


def _from_deep_grey(image: Image) -> Image:
    """Pillow clips 16-bit and float grey to white; stretch what there is to 0..255 instead."""
    import PIL.Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    if high > low:
        values = (values - low) / (high - low) * 255
    elif high > 255:
        values = values / 65535 * 255  # one grey all over: of 16 bits, as most deep pictures are
    return PIL.Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
