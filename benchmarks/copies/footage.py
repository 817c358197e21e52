"""Video in memory with the library segments it shows; cutting and joining in time.

footage = read_footage(Path("cat.mp4"), "cat.mp4", Format(), longest_seconds=30)
write_footage(reverse(cut(footage, 2.0, 6.0)), Path("copy.mp4"))
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.copies.truth import Segment, merged
from vidseek.core.errors import UnreadableVideoError
from vidseek.core.types import TimeSpan
from vidseek.video import open_video

Pictures = NDArray[np.uint8]
"""(N, H, W, 3) uint8 RGB."""

PLAIN_CRF = 23
"""Quality of videos without a quality edit: x264's default."""


@dataclass(frozen=True)
class Format:
    """Size and rate of pictures in memory and in files."""

    short_side: int = 240
    """Maximum in pixels; smaller videos are not scaled."""
    frame_rate: int = 15
    """Frame rate of every video; a minute of 16:9 takes 280 MB."""


@dataclass(frozen=True)
class Footage:
    """Pictures at a constant rate."""

    pictures: Pictures
    """(N, H, W, 3) uint8 RGB, N at least 1."""
    frame_rate: float
    segments: tuple[Segment, ...] = ()
    """The library segments it shows, in its own seconds; none for footage outside the library."""

    def __post_init__(self) -> None:
        if self.pictures.ndim != 4 or self.pictures.shape[3] != 3 or len(self.pictures) == 0:
            raise ValueError(f"Footage needs (N, H, W, 3) pictures, got {self.pictures.shape}")

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return len(self.pictures) / self.frame_rate

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pictures.shape[2], self.pictures.shape[1]


def read_footage(
    path: Path, source: str, form: Format, *, longest_seconds: float, start_seconds: float = 0.0
) -> Footage:
    """Read a video or a part of it.

    Args:
        path: the file.
        source: source name of its segment.
        form: scale and rate of the pictures.
        longest_seconds: maximum length to read.
        start_seconds: where to start.

    Raises:
        VideoError: the file cannot be read, or ends before the start.
    """
    span = TimeSpan(start_seconds, start_seconds + longest_seconds)
    with open_video(path, short_side=form.short_side, span=span) as video:
        table = video.packets()
        end = min(span.end_seconds, table.end_seconds) if len(table) else start_seconds
        count = int((end - start_seconds) * form.frame_rate + 1e-6)
        if count < 1:
            raise UnreadableVideoError(f"has no picture at {start_seconds:g} s", path=path)
        # Tolerate a rounding error: a picture that starts just after its tick is on screen.
        ticks = start_seconds + np.arange(count) / form.frame_rate + 1e-4
        rows = np.searchsorted(table.pts_seconds, ticks, side="right") - 1
        batches = list(video.frames(np.unique(np.maximum(rows, 0))))
    shown = np.concatenate([batch.pts_seconds for batch in batches])
    pictures = np.concatenate([batch.data for batch in batches])
    chosen = np.maximum(np.searchsorted(shown, ticks, side="right") - 1, 0)
    length = count / form.frame_rate
    segment = Segment(source, 0.0, length, start_seconds, start_seconds + length)
    return Footage(pictures[chosen], form.frame_rate, (segment,))


def write_footage(footage: Footage, path: Path, *, crf: int = PLAIN_CRF) -> None:
    """Write an MP4 (H.264, no sound) under a temporary name until it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(encoded(footage, crf=crf))
    temporary.replace(path)


def encoded(footage: Footage, *, crf: int) -> bytes:
    """Encode as MP4: H.264 at this constant rate factor, a keyframe every ten seconds."""
    import av

    width, height = (max(2, side - side % 2) for side in footage.size)
    rate = Fraction(footage.frame_rate).limit_denominator(1000)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # The same bytes each time: one thread, which is as fast for pictures this small, and no
        # macroblock tree, with which 13 of 300 encodings of one video differed (x264 in PyAV 18.1).
        stream.options = {
            "preset": "veryfast",
            "crf": str(crf),
            "g": str(round(10 * footage.frame_rate)),
            "threads": "1",
            "x264-params": "mbtree=0",
        }
        for picture in footage.pictures[:, :height, :width]:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def recompress(footage: Footage, *, crf: int) -> Footage:
    """Encode and decode the footage."""
    import av

    with av.open(io.BytesIO(encoded(footage, crf=crf))) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return replace(footage, pictures=np.stack(pictures).astype(np.uint8))


def change_pictures(footage: Footage, change: Callable[[Image.Image], Image.Image]) -> Footage:
    """Apply the same change to every picture."""
    changed = [np.asarray(change(Image.fromarray(picture))) for picture in footage.pictures]
    return replace(footage, pictures=np.stack(changed))


def fit(footage: Footage, size: tuple[int, int]) -> Footage:
    """Scale the footage to a width and height, ignoring the aspect."""
    if footage.size == size:
        return footage
    return change_pictures(footage, lambda picture: picture.resize(size, Image.Resampling.BILINEAR))


def cut(footage: Footage, start_seconds: float, end_seconds: float) -> Footage:
    """The part from start to end, to the next picture, at least one picture long."""
    last = len(footage.pictures)
    first = min(max(0, round(start_seconds * footage.frame_rate)), last - 1)
    stop = min(max(first + 1, round(end_seconds * footage.frame_rate)), last)
    start, end = first / footage.frame_rate, stop / footage.frame_rate
    parts = (segment.cut(start, end) for segment in footage.segments)
    segments = tuple(part for part in parts if part is not None)
    return replace(footage, pictures=footage.pictures[first:stop], segments=segments)


def join(pieces: Sequence[Footage]) -> Footage:
    """Join footage in sequence, at the size and rate of the first."""
    first = pieces[0]
    pictures, segments, start = [], [], 0.0
    for piece in pieces:
        fitted = fit(at_rate(piece, first.frame_rate), first.size)
        pictures.append(fitted.pictures)
        segments += [segment.moved(start) for segment in fitted.segments]
        start += fitted.duration_seconds
    return replace(first, pictures=np.concatenate(pictures), segments=merged(segments))


def at_rate(footage: Footage, frame_rate: float) -> Footage:
    """Change the frame rate and keep the length."""
    if footage.frame_rate == frame_rate:
        return footage
    changed = _resampled(footage, footage.frame_rate / frame_rate, frame_rate)
    return cut(changed, 0.0, changed.duration_seconds)


def retime(footage: Footage, *, speed: float) -> Footage:
    """Change the speed and keep the frame rate."""
    faster = _resampled(footage, speed, footage.frame_rate)
    segments = tuple(segment.retimed(speed) for segment in footage.segments)
    return cut(replace(faster, segments=segments), 0.0, faster.duration_seconds)


def _resampled(footage: Footage, step: float, frame_rate: float) -> Footage:
    count = max(1, round(len(footage.pictures) / step))
    rows = np.minimum((np.arange(count) * step + 1e-6).astype(np.intp), len(footage.pictures) - 1)
    return replace(footage, pictures=footage.pictures[rows], frame_rate=frame_rate)


def reverse(footage: Footage) -> Footage:
    """Played backwards."""
    segments = (segment.backwards(footage.duration_seconds) for segment in footage.segments)
    return replace(footage, pictures=footage.pictures[::-1], segments=merged(segments))


def hold(footage: Footage, at_seconds: float, seconds: float) -> Footage:
    """A single picture as a still. It shows no library span, so it has no segment."""
    row = min(int(at_seconds * footage.frame_rate), len(footage.pictures) - 1)
    count = max(1, round(seconds * footage.frame_rate))
    return Footage(np.repeat(footage.pictures[row : row + 1], count, axis=0), footage.frame_rate)


def as_long_as(footage: Footage, other: Footage) -> Footage:
    """Cut or repeat to the length of another, at its size and rate."""
    fitted = fit(at_rate(footage, other.frame_rate), other.size)
    repeats = -(-len(other.pictures) // len(fitted.pictures))
    return cut(join([fitted] * repeats), 0.0, other.duration_seconds)
