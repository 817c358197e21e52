"""Videos of flat colour patches with chosen colour tags, encoded by the formulas of the standards.

The formulas are written down here again, in the other direction, so that a test compares the
product with the standards and not with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

PATCHES = np.array(
    [
        (235, 235, 235),
        (128, 128, 128),
        (40, 40, 40),
        (200, 60, 50),
        (60, 160, 70),
        (50, 70, 190),
        (210, 160, 130),
        (20, 120, 130),
    ],
    dtype=np.float64,
)
"""(8, 3) R'G'B' of an ordinary screen, 0..255."""
PATCH_SIDE = 32

_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
_XYZ = {
    1: np.array(
        [
            (0.4123908, 0.3575843, 0.1804808),
            (0.2126390, 0.7151687, 0.0721923),
            (0.0193308, 0.1191948, 0.9505322),
        ]
    ),
    9: np.array(
        [
            (0.6369580, 0.1446169, 0.1688810),
            (0.2627002, 0.6779981, 0.0593017),
            (0.0, 0.0280727, 1.0609851),
        ]
    ),
    12: np.array(
        [
            (0.4865709, 0.2656677, 0.1982173),
            (0.2289746, 0.6917385, 0.0792869),
            (0.0, 0.0451134, 1.0439444),
        ]
    ),
}
"""From linear RGB to XYZ, by code of the primaries."""


@dataclass(frozen=True)
class Signal:
    """How patches are encoded. Numbers are codes of ITU-T H.273."""

    matrix: int = 1
    transfer: int = 1
    primaries: int = 1
    is_full_range: bool = False
    is_deep: bool = False
    tagged_matrix: int | None = None
    """Another matrix than the true one; 2 for none."""


def patch_light(patches: NDArray[np.float64] = PATCHES) -> NDArray[np.float64]:
    """Linear light of patches, with diffuse white at 1."""
    return np.asarray((patches / 255) ** 2.4)


def encode(light: NDArray[np.float64], signal: Signal) -> NDArray[np.float64]:
    """R'G'B' (0 to 1) of linear BT.709 light, with diffuse white at 203 nits in HDR."""
    converted = light @ _XYZ[1].T @ np.linalg.inv(_XYZ[signal.primaries]).T
    linear = np.maximum(converted, 0)
    if signal.transfer == 16:
        power = (linear * 203 / 10_000) ** 0.1593017578125
        return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)
    if signal.transfer == 18:
        shown = linear * 203 / 1000
        luminance = shown @ np.array((0.2627, 0.6780, 0.0593))
        scene = shown * luminance[:, np.newaxis] ** ((1 - 1.2) / 1.2)
        upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        return np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)
    return np.asarray(linear ** (1 / 2.4))


def write_patches(
    path: Path,
    signal: Signal,
    *,
    light: NDArray[np.float64] | None = None,
    codec: str = "libx264",
    size: tuple[int, int] | None = None,
) -> Path:
    """Write five frames of the patches side by side.

    Args:
        path: where to; the container follows from the name.
        signal: how the patches are encoded and tagged.
        light: (N, 3) linear BT.709 light of the patches; ``PATCHES`` if None.
        codec: an encoder that takes YUV.
        size: width and height; patches of ``PATCH_SIDE`` if None.
    """
    coded = encode(patch_light() if light is None else light, signal)
    width, height = size or (PATCH_SIDE * len(coded), PATCH_SIDE)
    columns = coded[np.arange(width) * len(coded) // width]
    row = np.stack(_yuv(columns, signal))
    pixel_format = "yuv420p10le" if signal.is_deep else "yuv420p"
    tags = {
        "color_primaries": signal.primaries,
        "color_trc": signal.transfer,
        "colorspace": signal.matrix if signal.tagged_matrix is None else signal.tagged_matrix,
        "color_range": 2 if signal.is_full_range else 1,
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "qp": "4"}
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for number in range(5):
            frame = av.VideoFrame(width, height, pixel_format)
            for name, value in tags.items():
                setattr(frame, name, value)
            for plane, line in zip(frame.planes, row, strict=True):
                step = width // plane.width
                data = np.zeros((plane.height, plane.line_size), np.uint8)
                values = line[::step].astype(np.uint16 if signal.is_deep else np.uint8)
                data[:, : values.nbytes] = values.view(np.uint8)
                plane.update(data.tobytes())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def patch_colours(picture: NDArray[np.uint8], count: int = len(PATCHES)) -> NDArray[np.float64]:
    """(count, 3) colours in the middle of the patches of a decoded picture."""
    height, width = picture.shape[:2]
    middles = ((np.arange(count) + 0.5) * width / count).astype(int)
    return picture[height // 2, middles].astype(np.float64)


def _yuv(coded: NDArray[np.float64], signal: Signal) -> tuple[NDArray[np.float64], ...]:
    red_weight, blue_weight = _WEIGHTS[signal.matrix]
    red, green, blue = coded.T
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    blue_difference = (blue - luma) / (2 * (1 - blue_weight))
    red_difference = (red - luma) / (2 * (1 - red_weight))
    scale = 4 if signal.is_deep else 1
    if signal.is_full_range:
        top = 256 * scale - 1
        coded_luma, chroma_scale = luma * top, top
    else:
        coded_luma, chroma_scale = (16 + 219 * luma) * scale, 224 * scale
    centre = 128 * scale
    planes = (
        coded_luma,
        centre + blue_difference * chroma_scale,
        centre + red_difference * chroma_scale,
    )
    return tuple(np.round(plane) for plane in planes)
