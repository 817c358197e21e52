"""Video in memory together with what it shows of the library, and the cuts and joins of time.

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
"""Quality of a video that no edit makes worse: x264's own default."""


@dataclass(frozen=True)
class Format:
    """How large and how often pictures are kept in memory and written."""

    short_side: int = 240
    """Pixels, at most; smaller videos stay as they are."""
    frame_rate: int = 15
    """Pictures a second of every video; a minute of 16:9 takes 280 MB."""


@dataclass(frozen=True)
class Footage:
    """Pictures at a constant rate."""

    pictures: Pictures
    """(N, H, W, 3) uint8 RGB, N at least 1."""
    frame_rate: float
    segments: tuple[Segment, ...] = ()
    """What it shows of the library, by its own seconds; none for what the library does not hold."""

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
    """Read a video, or a part of it.

    Args:
        path: the file.
        source: the name that its segment carries.
        form: pictures are scaled down and taken at this rate.
        longest_seconds: no more than this is read.
        start_seconds: where to begin.

    Raises:
        VideoError: it cannot be read, or has nothing at that time.
    """
    span = TimeSpan(start_seconds, start_seconds + longest_seconds)
    with open_video(path, short_side=form.short_side, span=span) as video:
        table = video.packets()
        end = min(span.end_seconds, table.end_seconds) if len(table) else start_seconds
        count = int((end - start_seconds) * form.frame_rate + 1e-6)
        if count < 1:
            raise UnreadableVideoError(f"has no picture at {start_seconds:g} s", path=path)
        # A picture that begins a rounding error after its tick is the one on screen.
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
    """Write an MP4 (H.264, no sound); under another name until it is complete."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(encoded(footage, crf=crf))
    temporary.replace(path)


def encoded(footage: Footage, *, crf: int) -> bytes:
    """The bytes of an MP4: H.264 at this constant rate factor, a keyframe every ten seconds."""
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
    """The footage after it went through an encoder."""
    import av

    with av.open(io.BytesIO(encoded(footage, crf=crf))) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return replace(footage, pictures=np.stack(pictures).astype(np.uint8))


def change_pictures(footage: Footage, change: Callable[[Image.Image], Image.Image]) -> Footage:
    """The footage with every picture changed alike."""
    changed = [np.asarray(change(Image.fromarray(picture))) for picture in footage.pictures]
    return replace(footage, pictures=np.stack(changed))


def fit(footage: Footage, size: tuple[int, int]) -> Footage:
    """The footage squeezed or stretched to a width and height."""
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
    """One after the other, all in the size and at the rate of the first."""
    first = pieces[0]
    pictures, segments, start = [], [], 0.0
    for piece in pieces:
        fitted = fit(at_rate(piece, first.frame_rate), first.size)
        pictures.append(fitted.pictures)
        segments += [segment.moved(start) for segment in fitted.segments]
        start += fitted.duration_seconds
    return replace(first, pictures=np.concatenate(pictures), segments=merged(segments))


def at_rate(footage: Footage, frame_rate: float) -> Footage:
    """As long as before, with more or fewer pictures a second."""
    if footage.frame_rate == frame_rate:
        return footage
    changed = _resampled(footage, footage.frame_rate / frame_rate, frame_rate)
    return cut(changed, 0.0, changed.duration_seconds)


def retime(footage: Footage, *, speed: float) -> Footage:
    """Played so many times as fast, at the same pictures a second."""
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
    """One picture of it, standing still. It shows no stretch of the library: it has no segment."""
    row = min(int(at_seconds * footage.frame_rate), len(footage.pictures) - 1)
    count = max(1, round(seconds * footage.frame_rate))
    return Footage(np.repeat(footage.pictures[row : row + 1], count, axis=0), footage.frame_rate)


def as_long_as(footage: Footage, other: Footage) -> Footage:
    """Cut or repeated to the length, and in the size and rate, of another."""
    fitted = fit(at_rate(footage, other.frame_rate), other.size)
    repeats = -(-len(other.pictures) // len(fitted.pictures))
    return cut(join([fitted] * repeats), 0.0, other.duration_seconds)
