"""Facts about a video file that a cutting program needs: frame rate, timecode, sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.core.errors import PathNotFoundError, UnreadableVideoError
from vidseek.core.paths import absolute_path

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

STANDARD_RATES = tuple(
    sorted(
        [
            *(Fraction(rate) for rate in (24, 25, 30, 48, 50, 60)),
            *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60)),
        ]
    )
)
"""Frame rates that timecode is defined for (SMPTE ST 12-1 and 12-3)."""
DROP_FRAME_RATES = (Fraction(30_000, 1001), Fraction(60_000, 1001))
_RATE_TOLERANCE = 0.0004
"""Less than half of the step from 24 to 23.976."""
MAX_MULTIPLE = 6
_TIMECODE = re.compile(r"(\d{1,2}):(\d\d):(\d\d)([:;.,])(\d{2,3})", re.ASCII)


@dataclass(frozen=True)
class Media:
    """A video file as a cutting program sees it."""

    path: Path
    """Absolute."""
    rate: Fraction
    """Frames per second that its times are counted in: one of ``STANDARD_RATES``."""
    drop_frame: bool
    """True if its timecode leaves out labels to keep up with the clock."""
    start_frame: int
    """Number of the first frame: the timecode of the file, or 0."""
    duration_frames: int
    width: int
    height: int
    audio_channels: int = 0
    """0 if it has no sound."""
    audio_rate: int = 48_000
    reel: str | None = None

    def frame_at(self, seconds: float) -> int:
        """The nearest frame, counted from the file's first, within the file."""
        return min(max(0, math.floor(seconds * self.rate + 0.5)), self.duration_frames)


def counting_rate(average: Fraction, base: Fraction | None = None) -> tuple[Fraction, int]:
    """The standard rate in which a file's frames are counted, as cutting programs do.

    A file of 15 frames a second is counted at 30, so that each frame begins on a whole number.
    Where frames have no constant rate, their base rate counts, or the next higher standard rate.

    Args:
        average: frames per second on average.
        base: the lowest rate that all times of the file are multiples of, if it is known.

    Returns:
        The rate, and how often it contains the file's own (1 for a standard or variable rate).
    """
    for multiple in range(1, MAX_MULTIPLE + 1):
        rate = _standard(average * multiple)
        if rate is not None:
            return rate, multiple
    rate = None if base is None else _standard(base)
    if rate is not None and rate >= average:
        return rate, 1
    return next((each for each in STANDARD_RATES if each >= average), STANDARD_RATES[-1]), 1


def _standard(rate: Fraction) -> Fraction | None:
    nearest = min(STANDARD_RATES, key=lambda each: abs(each - rate))
    return nearest if abs(nearest - rate) <= nearest * _RATE_TOLERANCE else None


def frames_of_timecode(text: str, rate: Fraction) -> tuple[int, bool] | None:
    """Parse a timecode.

    Args:
        text: ``HH:MM:SS:FF``, or ``HH:MM:SS;FF`` if it drops frames.
        rate: frames per second.

    Returns:
        The frame's number and whether the timecode drops frames; None if it is no timecode.
    """
    found = _TIMECODE.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
    nominal = round(rate)
    if minutes > 59 or seconds > 59 or frames >= nominal:
        return None
    number = (hours * 3600 + minutes * 60 + seconds) * nominal + frames
    drops = found[4] != ":" and rate in DROP_FRAME_RATES
    if drops:
        total_minutes = hours * 60 + minutes
        number -= nominal // 15 * (total_minutes - total_minutes // 10)
    return number, drops


def probe_media(path: Path) -> Media:
    """Read the facts of a file. Only its headers are read.

    Raises:
        PathNotFoundError: the file is gone.
        VideoError: it is no video, or cannot be read.
    """
    from vidseek.video.demux import open_container, pick_stream
    from vidseek.video.sniff import sniff

    path = absolute_path(path)
    if not path.exists():
        raise PathNotFoundError(f"{path} does not exist", path=path)
    with open_container(path, sniff(path)) as container:
        return _media(path, container, pick_stream(container, path))


def _media(path: Path, container: InputContainer, stream: VideoStream) -> Media:
    average = stream.average_rate or stream.guessed_rate
    duration = _duration_seconds(container, stream)
    if not average or average <= 0 or duration <= 0:
        raise UnreadableVideoError("its frame rate or duration is not known", path=path)
    rate, multiple = counting_rate(Fraction(average), stream.base_rate)
    timecode = next(
        (
            each
            for text in _timecodes(container, stream)
            if (each := frames_of_timecode(text, rate / multiple)) is not None
        ),
        (0, rate in DROP_FRAME_RATES),
    )
    sound = container.streams.audio[0] if container.streams.audio else None
    return Media(
        path,
        rate,
        drop_frame=timecode[1],
        start_frame=timecode[0] * multiple,
        duration_frames=max(1, round(duration * rate)),
        width=stream.width,
        height=stream.height,
        audio_channels=0 if sound is None else sound.channels,
        audio_rate=48_000 if sound is None else sound.rate or 48_000,
        reel=_tag(container, stream, "reel_name"),
    )


def _duration_seconds(container: InputContainer, stream: VideoStream) -> Fraction:
    lengths = []
    if stream.duration is not None and stream.time_base is not None:
        lengths.append(stream.duration * stream.time_base)
    if container.duration is not None:
        lengths.append(Fraction(container.duration, 1_000_000))
    return max(lengths, default=Fraction(0))


def _timecodes(container: InputContainer, stream: VideoStream) -> list[str]:
    places = [stream.metadata, *(each.metadata for each in container.streams), container.metadata]
    return [place["timecode"] for place in places if "timecode" in place]


def _tag(container: InputContainer, stream: VideoStream, name: str) -> str | None:
    places = [stream.metadata, *(each.metadata for each in container.streams), container.metadata]
    return next((place[name] for place in places if place.get(name)), None)
