"""Convert decoded pictures to 8-bit RGB, as players show them.

FFmpeg's scaler alone is wrong for some files. It takes HDR and wide-gamut signals for ordinary
colours, drops transparency, refuses reserved and rare matrices, and takes an HD video that does
not name its matrix for BT.601, where players assume BT.709.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from numpy.typing import NDArray

from vidseek.video.tone_mapping import Gamut, Transfer, to_standard

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

UNSPECIFIED = 2
"""Code of an absent tag. The numbers of all tags are those of ITU-T H.273."""
GREY = 128
"""Level of the background behind transparent pictures: black and white drawings both show."""

_BT709, _FCC, _BT601, _SMPTE240M, _BT2020 = 1, 4, 5, 7, 9
_FULL_RANGE = 2
_MATRICES = {
    1: _BT709,
    4: _FCC,
    5: _BT601,
    6: _BT601,
    7: _SMPTE240M,
    9: _BT2020,
    10: _BT2020,  # constant luminance
    14: _BT2020,  # ICtCp
}
_TRANSFERS = {16: Transfer.PQ, 18: Transfer.HLG}
_GAMUTS = {9: Gamut.BT2020, 11: Gamut.P3, 12: Gamut.P3}
_TRANSPARENT_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_HD_WIDTH, _HD_HEIGHT = 1280, 720
"""Videos from this width or height are BT.709 unless they say otherwise, as in players."""


@dataclass(frozen=True)
class ColourTags:
    """What a container or a picture says about its colours, in codes of ITU-T H.273."""

    matrix: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    primaries: int = UNSPECIFIED

    @classmethod
    def of_stream(cls, context: VideoCodecContext) -> Self:
        """The container's tags. Read before decoding: decoders overwrite them."""
        return cls(context.colorspace, context.color_trc, context.color_primaries)

    @classmethod
    def of_frame(cls, frame: VideoFrame, stream: ColourTags) -> Self:
        """The picture's tags, completed by those of the stream."""
        # Frames of PyAV before version 17 have the first of these only.
        transfer = getattr(frame, "color_trc", UNSPECIFIED)
        tags = (frame.colorspace, transfer, getattr(frame, "color_primaries", UNSPECIFIED))
        fallbacks = (stream.matrix, stream.transfer, stream.primaries)
        pairs = zip(tags, fallbacks, strict=True)
        return cls(*(other if tag == UNSPECIFIED else tag for tag, other in pairs))

    @property
    def light(self) -> Transfer:
        """How the signal encodes light."""
        return _TRANSFERS.get(self.transfer, Transfer.GAMMA)

    @property
    def is_hdr(self) -> bool:
        """Whether the pictures have a high dynamic range."""
        return self.light is not Transfer.GAMMA

    @property
    def gamut(self) -> Gamut:
        """The primaries; BT.2020's for HDR and for BT.2020's matrix unless others are named."""
        if self.primaries == UNSPECIFIED and (
            self.light is not Transfer.GAMMA or _MATRICES.get(self.matrix) == _BT2020
        ):
            return Gamut.BT2020
        return _GAMUTS.get(self.primaries, Gamut.BT709)

    def known_matrix(self, width: int, height: int) -> int:
        """The matrix in FFmpeg's scaler; a guess for absent, reserved and rare tags."""
        if self.matrix in _MATRICES:
            return _MATRICES[self.matrix]
        if self.gamut is Gamut.BT2020:
            return _BT2020
        return _BT709 if width >= _HD_WIDTH or height >= _HD_HEIGHT else _BT601


def decoder_of(stream: VideoStream) -> VideoCodecContext:
    """The stream's decoder; for transparent WebM the one that decodes transparency as well."""
    import av

    decoder = _TRANSPARENT_DECODERS.get(stream.codec_context.name)
    if decoder is None or stream.metadata.get("alpha_mode") != "1":
        return stream.codec_context
    return cast("VideoCodecContext", av.CodecContext.create(decoder, "r"))


def to_rgb(frame: VideoFrame, stream: ColourTags, width: int, height: int) -> NDArray[np.uint8]:
    """Scale a picture and convert it to 8-bit RGB.

    Args:
        frame: a decoded picture.
        stream: the container's tags.
        width: of the result.
        height: of the result.

    Returns:
        (height, width, 3) uint8.
    """
    tags = ColourTags.of_frame(frame, stream)
    matrix = tags.known_matrix(frame.width, frame.height)
    if _may_be_transparent(frame.format.name):
        frame = _over_grey(frame, matrix)
    is_ordinary = tags.light is Transfer.GAMMA and tags.gamut is Gamut.BT709
    pixel_format = "rgb24" if is_ordinary else "rgb48le"
    scaled = _reformat(frame, pixel_format, matrix, width=width, height=height)
    if is_ordinary:
        return np.asarray(scaled.to_ndarray(), dtype=np.uint8)
    return to_standard(np.asarray(scaled.to_ndarray(), np.uint16), tags.light, tags.gamut)


def is_ordinary(frame: VideoFrame, stream: ColourTags) -> bool:
    """True if FFmpeg's scaler alone converts the picture as ``to_rgb`` does."""
    tags = ColourTags.of_frame(frame, stream)
    scaler_matrix = _MATRICES.get(frame.colorspace, _BT601)
    return (
        tags.light is Transfer.GAMMA
        and tags.gamut is Gamut.BT709
        and not _may_be_transparent(frame.format.name)
        and (frame.format.is_rgb or tags.known_matrix(frame.width, frame.height) == scaler_matrix)
    )


def _reformat(
    frame: VideoFrame,
    pixel_format: str,
    matrix: int,
    *,
    width: int | None = None,
    height: int | None = None,
) -> VideoFrame:
    return frame.reformat(
        width=width,
        height=height,
        format=pixel_format,
        interpolation="BICUBIC",
        threads=1,
        # All four: PyAV before version 17 ignores the frame's own tags.
        src_colorspace=matrix,
        dst_colorspace=_BT601,
        src_color_range=frame.color_range,
        dst_color_range=_FULL_RANGE,
    )


@functools.cache
def _may_be_transparent(pixel_format: str) -> bool:
    import av

    described = av.VideoFormat(pixel_format)
    return described.has_palette or any(part.is_alpha for part in described.components)


def _over_grey(frame: VideoFrame, matrix: int) -> VideoFrame:
    """Put a picture over grey at full size: scaled first, thin lines would fade."""
    import av

    layered = _reformat(frame, "rgba", matrix).to_ndarray()
    opacity = layered[..., 3:]
    if opacity.min() == 255:
        return frame
    result = np.empty((*layered.shape[:2], 3), dtype=np.uint8)
    for top in range(0, len(layered), 64):  # bands, to need little memory
        band = slice(top, top + 64)
        weight = opacity[band].astype(np.uint16)
        result[band] = (layered[band, :, :3] * weight + GREY * (255 - weight) + 127) // 255
    return av.VideoFrame.from_ndarray(result, format="rgb24")
