"""Join the parts of a file whose clock starts again or leaps, as players do.

Recordings joined end to end keep the times of each part, a counter of 33 bits starts again after 26
hours, and damaged packets have any time at all. FFmpeg and mpv take such a step as an error of the
clock: the next picture is shown right after the one before it. So do we. The rules are those of
``ts_discontinuity_detect`` in FFmpeg (fftools) and of ``handle_new_frame`` in mpv, with two
additions: a step back is recognised at keyframes too, since not every container stores decoding
times, and sound that continues through a gap proves that the gap is real.

>>> join_parts(PacketClock.of([0.0, 0.5, 1.0, 0.0, 0.5, 1.0], keys=[1, 0, 0, 1, 0, 0])).tolist()
[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAX_STEP_BACK_SECONDS = 0.1
"""Smaller steps back are rounding, or packets stored slightly out of order."""
LEAP_SECONDS = 10.0
"""Minimum leap, in containers whose clock is known to start again (MPEG)."""
HOLD_SECONDS = 1800.0
"""Minimum leap in other containers, where a picture may be held long. Such a leap is also longer
than the rest of the video, or than ``MAX_HOLD_SECONDS``."""
MAX_HOLD_SECONDS = 10_000.0
MAX_STRAYS = 8
"""Maximum number of packets in a row with wild times, after which the clock is right again."""
SPARSE_STEPS = 20.0
"""A leap is at least this many times the usual step: slides may be 20 s apart."""

SoundBetween = Callable[[float, float], bool]


@dataclass(frozen=True)
class PacketClock:
    """The times of the packets of a stream, in the order of the file."""

    pts_seconds: NDArray[np.float64]
    """(N,) presentation times on the file's clock; NaN if unknown."""
    dts_seconds: NDArray[np.float64]
    """(N,) decoding times; NaN if unknown."""
    is_keyframe: NDArray[np.bool_]
    is_shown: NDArray[np.bool_]
    """False for pictures that an edit list hides."""
    duration_seconds: NDArray[np.float64]
    """(N,) 0 if unknown."""
    starts_again: bool = True
    """True in containers whose clock is known to start again: MPEG-TS, MPEG-PS and Ogg."""

    @classmethod
    def of(cls, pts_seconds: ArrayLike, *, keys: ArrayLike, starts_again: bool = True) -> Self:
        """The clock of packets without decoding times and durations, all shown."""
        pts = np.asarray(pts_seconds, np.float64)
        return cls(
            pts,
            np.full(len(pts), np.nan),
            np.asarray(keys, np.bool_),
            np.ones(len(pts), np.bool_),
            np.zeros(len(pts)),
            starts_again,
        )


def join_parts(
    clock: PacketClock, *, has_sound_between: SoundBetween | None = None
) -> NDArray[np.float64]:
    """Lay the parts of a file end to end.

    Args:
        clock: the packets.
        has_sound_between: tells whether packets of sound lie between two times of the file's clock.

    Returns:
        (N,) presentation times without discontinuity; ``clock.pts_seconds`` itself if it has none.
    """
    pts = clock.pts_seconds
    rows = np.flatnonzero(~np.isnan(pts) & clock.is_shown)
    if len(rows) < 2:
        return pts
    steps = _Steps(clock, rows)
    if not steps.are_suspicious():
        return pts
    strays = steps.fix_strays()
    starts = steps.part_starts(has_sound_between or (lambda start, end: False))
    if strays == 0 and len(starts) == 1:
        return pts
    joined = pts.copy()
    joined[rows] = steps.seconds
    _lay_end_to_end(joined, clock.duration_seconds, rows, starts, steps.usual_seconds)
    return joined


class _Steps:
    """Steps from one shown packet to the next."""

    def __init__(self, clock: PacketClock, rows: NDArray[np.intp]) -> None:
        self.seconds = clock.pts_seconds[rows]
        self._is_key = clock.is_keyframe[rows]
        dts = clock.dts_seconds[rows]
        with np.errstate(invalid="ignore"):
            self._decodes_back = np.diff(dts, prepend=dts[0]) < -MAX_STEP_BACK_SECONDS
        self._starts_again = clock.starts_again
        steps = np.abs(np.diff(self.seconds))
        self.usual_seconds = float(np.median(steps))
        self._leap_seconds = max(LEAP_SECONDS, SPARSE_STEPS * self.usual_seconds)
        self._forward_seconds = (
            self._leap_seconds if clock.starts_again else max(HOLD_SECONDS, self._leap_seconds)
        )
        self._content_seconds = float(steps[steps <= self._forward_seconds].sum())

    def are_suspicious(self) -> bool:
        """False for almost every file: its clock only advances."""
        latest = np.maximum.accumulate(self.seconds)[:-1]
        back = latest - self.seconds[1:]
        is_cut = self._is_key[1:] | self._decodes_back[1:]
        return bool(
            np.any(back > self._leap_seconds)
            or np.any(is_cut & (back > MAX_STEP_BACK_SECONDS))
            or np.any(-back > self._forward_seconds)
        )

    def fix_strays(self) -> int:
        """Move packets with a wild time to the packet before them. Returns their number."""
        seconds = self.seconds
        strays = 0
        latest = float(seconds[0])
        number = 1
        while number < len(seconds):
            at = float(seconds[number])
            if abs(at - latest) > self._leap_seconds:
                following = seconds[number + 1 : number + 1 + MAX_STRAYS]
                back = np.flatnonzero(np.abs(following - latest) <= self._leap_seconds)
                if len(back):
                    stop = number + 1 + int(back[0])
                    seconds[number:stop] = seconds[number - 1] + self.usual_seconds / 2
                    strays += stop - number
                    number = stop
                    continue
                latest = at
            latest = max(latest, at)
            number += 1
        return strays

    def part_starts(self, has_sound_between: SoundBetween) -> list[int]:
        """Positions at which a part begins, from 0 on."""
        seconds = self.seconds.tolist()
        is_cut = (self._is_key | self._decodes_back).tolist()
        starts = [0]
        latest = seconds[0]
        for number in range(1, len(seconds)):
            at = seconds[number]
            is_start = latest - at > (
                MAX_STEP_BACK_SECONDS if is_cut[number] else self._leap_seconds
            )
            if self._leaps(number, at - latest):
                is_start = not has_sound_between(latest, at)
            if is_start:
                starts.append(number)
            latest = at if is_start else max(latest, at)
        return starts

    def _leaps(self, number: int, forward_seconds: float) -> bool:
        """Whether a long step forward is an error of the clock rather than a held picture."""
        if forward_seconds <= self._forward_seconds or self._starts_again:
            return forward_seconds > self._forward_seconds
        longest_hold = min(MAX_HOLD_SECONDS, max(HOLD_SECONDS, self._content_seconds))
        return bool(self._is_key[number]) and forward_seconds > longest_hold


def _lay_end_to_end(
    seconds: NDArray[np.float64],
    duration_seconds: NDArray[np.float64],
    rows: NDArray[np.intp],
    starts: list[int],
    usual_seconds: float,
) -> None:
    """Shift each part but the first, in place, to where the part before it ends."""
    end = 0.0
    for number, start in enumerate(starts):
        stop = starts[number + 1] if number + 1 < len(starts) else len(rows)
        part = rows[start:stop]
        if number:
            # Packets in between that are never shown belong to the part before them.
            until = rows[stop] if stop < len(rows) else len(seconds)
            seconds[rows[start] : until] += end - seconds[part].min()
        last = part[seconds[part].argmax()]
        held = float(duration_seconds[last])
        # The container may have stretched the last picture of a part over the leap.
        if not 0 < held <= max(LEAP_SECONDS, SPARSE_STEPS * usual_seconds):
            held = usual_seconds
        end = float(seconds[last]) + held
