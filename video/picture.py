"""Read a still picture as a one-frame video, for searching by picture."""

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
from vidseek.video.colour import GREY
from vidseek.video.hints import COPY_AGAIN, SHRINK_PICTURE

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 100_000_000
LARGE_PIXELS = 16_000_000
"""Larger pictures are scaled down while reading: 100 million pixels took 1.8 to 2.5 GB, and the
encoders use only a few hundred pixels per side."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000", "TGA", "ICO")
"""Formats that Pillow may use to open a file. GIF is read as a video."""


def is_picture(path: Path) -> bool:
    """True if the file starts like a still picture in a supported format, however large."""
    try:
        with _open(path):
            return True
    except DecodeLimitError:
        return True
    except VideoError:
        return False


def read_picture(path: Path) -> FrameBatch:
    """Read a picture as upright RGB, with transparency over grey, as in videos.

    Returns:
        A batch of one frame at 0 seconds: (1, H, W, 3) uint8. A picture of more than
        ``LARGE_PIXELS`` is scaled down by an integer factor.

    Raises:
        NotAVideoError: the file is not a picture.
        UnreadableVideoError: the picture is damaged.
        DecodeLimitError: the picture has more than ``MAX_PIXELS``.
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
                warnings.simplefilter(
                    "ignore"
                )  # odd EXIF, and size warnings: MAX_PIXELS is checked above
                shrink = _factor(width, height)
                if shrink > 1:
                    # The JPEG decoder can scale down; other formats ignore this.
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
                    upright = PIL.Image.new("RGBA", layered.size, (GREY, GREY, GREY, 255))
                    upright.alpha_composite(layered)
                data = np.asarray(upright.convert("RGB"), dtype=np.uint8)
        except Exception as error:  # Pillow's decoders raise all kinds of errors
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
        raise NotAVideoError("not a picture in a supported format", path=path) from error
    except OSError as error:
        reason = f"cannot be opened: {error.strerror or error}"
        raise UnreadableVideoError(reason, path=path) from error


def _factor(width: int, height: int) -> int:
    """Integer factor to scale down by: 1 up to ``LARGE_PIXELS``, above it to a few million pixels.

    The short side keeps a thousand pixels, since a panorama is large by its length alone.
    """
    if width * height <= LARGE_PIXELS:
        return 1
    return max(1, min(math.isqrt(4 * width * height // LARGE_PIXELS), min(width, height) // 1000))


def _shrunk(image: Image, factor: int) -> Image:
    """Average each square of ``factor`` x ``factor`` pixels."""
    if factor == 1:
        return image
    # Pixels must be colours, not palette indices, before they can be averaged.
    if image.mode in ("P", "PA") or "transparency" in image.info:
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith("I;16"):
        image = image.convert("I")
    return image.reduce(factor)


def _from_deep_grey(image: Image) -> Image:
    """Stretch 16-bit or float grey to 0..255, where Pillow would clip it to white."""
    import PIL.Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = float(values.min()), float(values.max())
    if high > low:
        values = (values - low) / (high - low) * 255
    elif high > 255:
        values = values / 65535 * 255  # uniform grey: assume 16 bits, like most deep pictures
    return PIL.Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
