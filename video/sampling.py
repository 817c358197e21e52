"""Choose which frames of a video to decode, from its packets alone.

There are two plans. ``dense`` takes a frame at a fixed interval. ``fast``, the default, takes
keyframes, which encoders place at the start of scenes and which cost a tenth of a full decode or
less, and fills long gaps only where packet sizes show that something happened.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.types import TimeSpan
from vidseek.video.readers.packets import PacketTable

SHORT_VIDEO_SECONDS = 60.0
"""Shorter videos are sampled every second by both plans."""
KEYFRAME_SPACING_SECONDS = 1.0
KEYFRAME_BURST = 3
MIN_SPACING_SECONDS = 0.4
"""At most one keyframe per ``KEYFRAME_SPACING_SECONDS`` on average, three in a burst."""
LONG_GAP_SECONDS = 4.0
"""Gaps up to this length are filled at spikes only."""
FILL_SPACING_SECONDS = 2.0
FILL_RATIO = 4.0
FILL_PROMINENCE = 3.0
"""In a longer gap, a frame is taken when two conditions hold. Since the last sample, packets have
added up to ``FILL_RATIO`` times the bytes of a keyframe, so the picture has changed. And over the
last second they were ``FILL_PROMINENCE`` times larger than usual for this video, since steady
motion or grain is not an event. Measured on two vlogs and eight films of joined clips: without the
second condition 493 frames and 37 % of the packets are decoded, with it 443 and 26 %, and shots
are found equally well."""
SPIKE_RATIO = 0.3
SPIKE_PROMINENCE = 12.0
SPIKE_SPACING_SECONDS = 0.25
"""A packet with ``SPIKE_RATIO`` of a keyframe's bytes and ``SPIKE_PROMINENCE`` times the median of
its gap starts a scene. It is taken in a gap of any length if it is ``SPIKE_SPACING_SECONDS`` away
from other samples and a second after the previous spike."""

LONG_GOP_SECONDS = 30.0
"""Where keyframes are further apart (10 s are usual), a frame is taken every
``FILL_SPACING_SECONDS`` unless the picture is still."""
SCENE_PROMINENCE = 1.5
SCENE_REORDERING = 4
"""Between two samples of different scenes, the cut is at a packet of ``SCENE_PROMINENCE`` times the
size of any other but those ``SCENE_REORDERING`` away, unless it is less than ``SPIKE_RATIO`` of a
keyframe there; or else at the keyframe."""
STILL_SECONDS = 60.0
STILL_TOLERANCE = 0.005
STILL_RATIO = 0.05
STILL_SHARE = 8.0
"""A still: keyframes whose sizes differ by less than ``STILL_TOLERANCE``, and packets in between of
less than ``STILL_RATIO`` of a keyframe, for more than ``STILL_SECONDS``. From then on, the next
keyframe is taken when an eighth of the time since the still began has passed: ten hours of a
picture need some 50 frames."""


@dataclass(frozen=True)
class SamplingPlan:
    """How densely a video is sampled."""

    mode: Literal["fast", "dense"] = "fast"
    every_seconds: float = 1.0
    """Interval of ``dense``."""

    def __post_init__(self) -> None:
        if arguments.text(self.mode, "SamplingPlan.mode") not in ("fast", "dense"):
            raise ValueError(f"SamplingPlan.mode is 'fast' or 'dense', got {self.mode!r}")
        every_seconds = arguments.number(self.every_seconds, "SamplingPlan.every_seconds")
        if not 0.01 <= every_seconds <= 3600:
            raise ValueError(
                f"SamplingPlan.every_seconds is 0.01 to 3600, got {self.every_seconds}"
            )


@dataclass(frozen=True)
class SceneStarts:
    """Where a scene begins, by the packets, if a cut lies before a sample."""

    sample_seconds: NDArray[np.float64]
    """(N,) the samples, ascending."""
    start_seconds: NDArray[np.float64]
    """(N,) where the new scene begins, between the sample before and this one; NaN if unknown."""


DEFAULT_PLAN = SamplingPlan()


def choose_frames(
    table: PacketTable, plan: SamplingPlan, *, span: TimeSpan | None = None
) -> NDArray[np.intp]:
    """Choose the frames to decode.

    Args:
        table: packets of the whole video, or those around the span.
        plan: sampling density.
        span: seconds from the file's start; only frames shown during it are chosen.

    Returns:
        (N,) ascending rows of the table; at least one unless the table is empty.
    """
    if len(table) == 0:
        return np.zeros(0, dtype=np.intp)
    first = _first_decodable(table)
    start = float(table.pts_seconds[first])
    if span is not None:
        start = max(start, span.start_seconds)
    end = table.end_seconds if span is None else min(span.end_seconds, table.end_seconds)
    if plan.mode == "dense":
        rows = _every(table, start, end, plan.every_seconds)
    elif end - start < SHORT_VIDEO_SECONDS:
        rows = _every(table, start, end, 1.0)
    else:
        rows = _keyframes_and_more(table, start, end)
    decodable = rows[rows >= first]
    return decodable if len(decodable) else rows[-1:]


def scene_starts(table: PacketTable, rows: NDArray[np.intp]) -> SceneStarts:
    """Find, between samples, the packet that would hold the first picture of a new scene.

    Args:
        table: packets of the video.
        rows: (N,) the samples, ascending.
    """
    starts = np.full(len(rows), np.nan)
    keyframes = table.keyframes
    for number in range(1, len(rows)):
        first, stop = int(rows[number - 1]) + 1, int(rows[number]) + 1
        left, right = np.searchsorted(keyframes, [first, stop])
        row = _scene_start(table.size_bytes, first, stop, keyframes[max(0, left - 1) : right])
        if row is not None:
            starts[number] = table.pts_seconds[row]
    return SceneStarts(table.pts_seconds[rows], starts)


def _scene_start(
    size_bytes: NDArray[np.int64], first: int, stop: int, keyframes: NDArray[np.intp]
) -> int | None:
    """The row, from ``first`` to before ``stop``, of the packet that stands out most.

    ``keyframes`` has their rows, and that of the keyframe before them.
    """
    keys = keyframes[keyframes >= first]
    others = size_bytes[first:stop].astype(np.float64)
    others[keys - first] = 0.0
    largest = int(others.argmax())
    before, after = (
        others[: max(0, largest - SCENE_REORDERING)],
        others[largest + SCENE_REORDERING + 1 :],
    )
    rest = max(before.max(initial=0.0), after.max(initial=0.0))
    floor = SPIKE_RATIO * float(size_bytes[keys].max(initial=0))
    if rest and others[largest] > max(SCENE_PROMINENCE * rest, floor):
        # The pictures around the largest belong to the cut too; a keyframe among them begins it.
        close = keys[np.abs(keys - first - largest) <= SCENE_REORDERING]
        return int(close[0]) if len(close) else first + largest
    if len(keys) < 2 or len(keys) == len(keyframes):
        return int(keys[0]) if len(keys) == 1 else None
    # Every scene has another size of keyframe.
    change = np.abs(np.diff(np.log(np.maximum(size_bytes[keyframes], 1))))
    if len(keys) > 2 and change.max() <= SCENE_PROMINENCE * float(np.partition(change, -2)[-2]):
        return None
    return int(keys[change.argmax()])


def frames_at(table: PacketTable, seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """Choose the frames nearest to given times, such as those of an earlier sampling.

    Args:
        table: packets of the whole video.
        seconds: (T,) ascending, from the file's start.

    Returns:
        (N,) ascending rows of the table, N at most T; empty only if either input is empty.
    """
    if len(table) == 0 or len(seconds) == 0:
        return np.zeros(0, dtype=np.intp)
    return np.unique(nearest(table.pts_seconds, seconds))


def nearest(ascending: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.intp]:
    """(T,) positions of the elements nearest to ``values`` (T,). ``ascending`` is not empty."""
    right = np.clip(np.searchsorted(ascending, values), 1, max(len(ascending) - 1, 1))
    right = np.minimum(right, len(ascending) - 1)
    left = np.maximum(right - 1, 0)
    is_left = np.abs(values - ascending[left]) <= np.abs(ascending[right] - values)
    return np.where(is_left, left, right)


def _first_decodable(table: PacketTable) -> int:
    """Row of the first keyframe. Earlier frames (of a recording cut midway) are undecodable."""
    keyframes = table.keyframes
    return int(keyframes[0]) if len(keyframes) else 0


def _every(table: PacketTable, start: float, end: float, every: float) -> NDArray[np.intp]:
    """Rows of the frames on screen at start, start + every, ..."""
    count = max(1, int(np.ceil((end - start) / every - 1e-6)))
    ticks = start + every * np.arange(count)
    # At 25 frames a second, a frame may start at 0.99999 instead of 1.0.
    rows = np.searchsorted(table.pts_seconds, ticks + 1e-4, side="right") - 1
    return np.unique(np.maximum(rows, 0))


def _keyframes_and_more(table: PacketTable, start: float, end: float) -> NDArray[np.intp]:
    first = max(0, int(np.searchsorted(table.pts_seconds, start + 1e-4, side="right")) - 1)
    stop = max(first + 1, int(np.searchsorted(table.pts_seconds, end, side="left")))
    keyframes = table.keyframes
    keyframes = keyframes[(keyframes >= first) & (keyframes < stop)]
    typical = float(np.median(table.size_bytes[keyframes])) if len(keyframes) else 0.0
    keyframes = _without_repeats(table, keyframes, stop)
    anchors = np.union1d([first], _thinned(table, keyframes))
    usual = _usual_rate(table)
    for choose in (_spikes, _fills):
        more = [
            choose(table, int(left), int(right), end, max(1.0, typical), usual)
            for left, right in zip(anchors, np.append(anchors[1:], stop), strict=True)
        ]
        anchors = np.union1d(anchors, np.concatenate(more)).astype(np.intp)
    return np.union1d(anchors, _steady(table, anchors, end, typical)).astype(np.intp)


def _steady(
    table: PacketTable, anchors: NDArray[np.intp], end: float, typical: float
) -> NDArray[np.intp]:
    """Frames at a fixed interval where keyframes are far apart, unless the picture is still.

    Most of what lies in between is decoded anyway, for the spikes.
    """
    seconds = table.pts_seconds
    keyframe_seconds = table.keyframe_seconds
    chosen = [np.zeros(0, dtype=np.intp)]
    if len(keyframe_seconds) == 0:
        return chosen[0]
    spent_by = np.cumsum(table.size_bytes)
    borders = np.append(seconds[anchors], end)
    for left, right in itertools.pairwise(borders.tolist()):
        after = int(np.searchsorted(keyframe_seconds, left, side="right"))
        until = float(keyframe_seconds[after]) if after < len(keyframe_seconds) else end
        if until - float(keyframe_seconds[max(0, after - 1)]) <= LONG_GOP_SECONDS:
            continue
        last = right - FILL_SPACING_SECONDS / 2
        ticks = np.arange(left + FILL_SPACING_SECONDS, last, FILL_SPACING_SECONDS)
        rows = np.searchsorted(seconds, np.append(left, ticks) - 1e-4)
        rows = np.minimum(rows, len(table) - 1)
        is_still = np.diff(spent_by[rows]) < STILL_RATIO * typical
        chosen.append(rows[1:][~is_still & (seconds[rows[1:]] < last)])
    return np.unique(np.concatenate(chosen))


def _without_repeats(
    table: PacketTable, keyframes: NDArray[np.intp], stop: int
) -> NDArray[np.intp]:
    """Thin the keyframes of a still that is shown for more than ``STILL_SECONDS``.

    An encoder spends the same bytes on the same picture. Streams of keyframes alone are left as
    they are: some encoders give every picture the same size.
    """
    if len(keyframes) < 3:
        return keyframes
    sizes = table.size_bytes[keyframes].astype(np.float64)
    between = np.where(table.is_keyframe, 0, table.size_bytes)[:stop]
    counts = np.diff(np.append(keyframes, stop)) - 1
    largest = np.maximum.reduceat(between, keyframes)
    mean = np.add.reduceat(between, keyframes) / np.maximum(counts, 1)
    is_quiet = (counts > 0) & (largest < SPIKE_RATIO * sizes) & (mean < STILL_RATIO * sizes)
    is_repeat = is_quiet[:-1] & (np.abs(np.diff(sizes)) <= STILL_TOLERANCE * sizes[1:])
    seconds = table.pts_seconds[keyframes].tolist()
    kept = [0]
    since = seconds[0]
    for number, repeats in enumerate(is_repeat.tolist(), start=1):
        at = seconds[number]
        if not repeats:
            since = at
        shown_for = at - since
        if shown_for <= STILL_SECONDS or at - seconds[kept[-1]] >= max(
            STILL_SECONDS / 2, shown_for / STILL_SHARE
        ):
            kept.append(number)
    return keyframes[kept]


def _usual_rate(table: PacketTable) -> float:
    """Typical bytes per second of this video between keyframes."""
    between = table.size_bytes[~table.is_keyframe]
    return float(np.median(between)) * table.frame_rate if len(between) else 0.0


def _thinned(table: PacketTable, keyframes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Thin keyframes to one per second on average, keeping short bursts, which may be cuts."""
    kept: list[int] = []
    allowance = float(KEYFRAME_BURST)
    last = -np.inf
    for row, at in zip(keyframes, table.pts_seconds[keyframes], strict=True):
        waiting = allowance + min(at - last, KEYFRAME_BURST) / KEYFRAME_SPACING_SECONDS
        if kept and (waiting < 1.0 - 1e-4 or at - last < MIN_SPACING_SECONDS):
            continue
        allowance = min(waiting, float(KEYFRAME_BURST)) - 1.0
        kept.append(row)
        last = at
    return np.asarray(kept, dtype=np.intp)


def _spikes(
    table: PacketTable, left: int, right: int, end: float, typical: float, usual: float
) -> NDArray[np.intp]:
    """Frames between two samples that are large enough to show something new."""
    sizes = table.size_bytes[left + 1 : right]
    if len(sizes) == 0:
        return np.zeros(0, dtype=np.intp)
    least = max(SPIKE_RATIO * typical, SPIKE_PROMINENCE * float(np.median(sizes)))
    # Keyframes in between were thinned out on purpose.
    candidates = np.flatnonzero((sizes > least) & ~table.is_keyframe[left + 1 : right]) + left + 1
    gap_end = min(end, float(table.pts_seconds[right])) if right < len(table) else end
    earliest = float(table.pts_seconds[left]) + SPIKE_SPACING_SECONDS
    chosen: list[int] = []
    for row in candidates.tolist():
        at = float(table.pts_seconds[row])
        if earliest <= at <= gap_end - SPIKE_SPACING_SECONDS:
            chosen.append(row)
            earliest = at + KEYFRAME_SPACING_SECONDS
    return np.asarray(chosen, dtype=np.intp)


def _fills(
    table: PacketTable, left: int, right: int, end: float, typical: float, usual: float
) -> NDArray[np.intp]:
    """Frames between two samples after which enough bytes were spent for a new picture."""
    gap_end = min(end, float(table.pts_seconds[right])) if right < len(table) else end
    last = float(table.pts_seconds[left])
    if gap_end - last <= LONG_GAP_SECONDS or right - left < 2:
        return np.zeros(0, dtype=np.intp)
    seconds = table.pts_seconds[left + 1 : right]
    # Keyframes in between are those of a still.
    inside = slice(left + 1, right)
    spent_by = np.cumsum(np.where(table.is_keyframe[inside], 0, table.size_bytes[inside]))
    enough = FILL_RATIO * max(float(table.size_bytes[left]), typical)
    before = np.searchsorted(seconds, seconds - 1.0)
    rate = spent_by - np.where(before > 0, spent_by[np.maximum(before - 1, 0)], 0)
    is_busy = rate > FILL_PROMINENCE * usual
    chosen: list[int] = []
    spent = 0.0
    while True:
        index = max(
            int(np.searchsorted(spent_by, spent + enough, side="right")),
            int(np.searchsorted(seconds, last + FILL_SPACING_SECONDS - 1e-4)),
        )
        busy = np.flatnonzero(is_busy[index:])
        index += int(busy[0]) if len(busy) else len(seconds)
        if index >= len(seconds) or seconds[index] > gap_end - FILL_SPACING_SECONDS / 2:
            return np.asarray(chosen, dtype=np.intp)
        chosen.append(left + 1 + index)
        last, spent = float(seconds[index]), float(spent_by[index])
