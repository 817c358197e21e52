"""Localization: where the moment around the best clip begins and ends.

curve = similarity_curve(clips, frame_vectors, query, anchor=3)
first, last = best_window(clips, curve, anchor=3)

The best clip is the anchor. Around it every stored frame is compared with the query expanded by
what the anchor shows: ``(query + PICTURE_WEIGHT * picture) . frame``, as average query expansion
does it (Rocchio 1971; Chum et al., "Total Recall", ICCV 2007). With the words alone, frames of one
scene differ in score as much as frames of two scenes do. The moment is the window that gains most:
windows of every length up to ``MAX_MOMENT_SECONDS``, from where a shot begins to where one ends,
each scored by the area of the curve inside above a level that lies between the curve's mean within
``CONTEXT_SECONDS`` and its value at the anchor. An area needs no frame rate (a frame counts for the
seconds that it stands for), and smoothing the curve before gained nothing.

Later moments avoid the clips of earlier moments (greedy non-maximum suppression), so hits of a
video never overlap.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, TimeSpan
from vidseek.search.moments.merging import ADJACENT_SECONDS, MAX_MOMENT_SECONDS, Moment, ScoredClip

CONTEXT_SECONDS = 60.0
"""Clips further from the anchor are not read: a video of ten hours costs no more than a video of
two minutes."""
PICTURE_WEIGHT = 1.0
LEVEL = 0.75
"""Both chosen by ``python -m benchmarks.moments --only joined``: mean IoU of the window around the
right clip 0.858, and 0.780 where scenes that look alike follow each other; merging by score gives
0.819 and 0.719, the words alone (weight 0) 0.748 and 0.536. Weight 2 is the same within 0.01."""
ROUNDING = 0.002
"""Half precision moves a cosine by less than this: frames that equal the anchor's are as good."""

ReadAround = Callable[[int, TimeSpan], tuple[list[Clip], list[NDArray[np.float32]]]]
"""Reads the clips of a video (by id) that lie in a span, in order, and the (F, D) vectors of the
frames of each."""


def localize_moments(
    ranked: Sequence[ScoredClip],
    query: NDArray[np.float32],
    read_around: ReadAround,
) -> Iterator[Moment]:
    """Find moments, best first; only the surroundings of those that are taken are read.

    Args:
        ranked: clips of any videos, best first; each clip once.
        query: (D,) float32 that frames are compared with.
        read_around: reads the clips around a clip.
    """
    taken: set[int] = set()
    for best in ranked:
        if best.clip.id in taken:
            continue
        video_id = best.clip.video_id
        span = best.clip.span
        context = TimeSpan(span.start_seconds - CONTEXT_SECONDS, span.end_seconds + CONTEXT_SECONDS)
        clips, vectors = read_around(video_id, context)
        anchor = next(i for i, clip in enumerate(clips) if clip.id == best.clip.id)
        curve = similarity_curve(clips, vectors, query, anchor=anchor)
        first, last = best_window(clips, curve, anchor=anchor, taken=taken)
        window = tuple(clips[first : last + 1])
        taken.update(clip.id for clip in window)
        yield Moment(window, best.score, best.clip)


def similarity_curve(
    clips: Sequence[Clip],
    frame_vectors: Sequence[NDArray[np.float32]],
    query: NDArray[np.float32],
    *,
    anchor: int,
    picture_weight: float = PICTURE_WEIGHT,
) -> list[float]:
    """Mean similarity of each clip's frames to the query and to the anchor clip.

    Args:
        clips: C clips of one video, in order of time.
        frame_vectors: (F, D) float32, L2-normalised, of the frames of each.
        query: (D,) float32.
        anchor: position of the clip that matched the query.
        picture_weight: weight of the anchor; the query has weight 1. 0 ignores the anchor.

    Returns:
        C means weighted by time: a frame represents the time from halfway to the previous frame
        to halfway to the next, within its clip.
    """
    picture = frame_vectors[anchor].mean(axis=0)
    picture /= max(float(np.linalg.norm(picture)), 1e-9)
    expanded = query + np.float32(picture_weight) * picture
    return [
        float(np.average(vectors @ expanded, weights=_shown_seconds(clip) + 1e-6))
        for clip, vectors in zip(clips, frame_vectors, strict=True)
    ]


def best_window(
    clips: Sequence[Clip],
    curve: Sequence[float],
    *,
    anchor: int,
    taken: Collection[int] = (),
    level: float = LEVEL,
) -> tuple[int, int]:
    """The run of clips around the anchor that gains most.

    Args:
        clips: C clips of one video, in order of time.
        curve: C values of ``similarity_curve``, or any like it.
        anchor: position of the clip that the window must hold.
        taken: ids of clips that belong to other moments.
        level: where the curve begins to count for a clip: 0 at its mean, 1 at the anchor's value.

    Returns:
        First and last position. A window is longer than ``MAX_MOMENT_SECONDS`` only if the anchor
        is; it holds no taken clip and no hole in the video. Where the curve is flat it is as long
        as it may be.
    """
    values = np.asarray(curve, np.float64)
    seconds = np.array([clip.span.duration_seconds for clip in clips])
    around = float(np.average(values, weights=seconds + 1e-6))
    baseline = around + level * (values[anchor] - around) - ROUNDING
    gains = np.concatenate([[0.0], np.cumsum((values - baseline) * seconds)])
    earliest, latest = _reach(clips, anchor, taken)
    best, most = (anchor, anchor), gains[anchor + 1] - gains[anchor]
    for first, last in itertools.product(range(earliest, anchor + 1), range(anchor, latest + 1)):
        length = clips[last].span.end_seconds - clips[first].span.start_seconds
        gain = gains[last + 1] - gains[first]
        # Scores that differ only by rounding: keep the earliest span.
        if gain > most + 1e-9 and length <= MAX_MOMENT_SECONDS:
            best, most = (first, last), gain
    return best


def _shown_seconds(clip: Clip) -> NDArray[np.float64]:
    """(F,) seconds that each frame of a clip represents."""
    times = np.asarray(clip.frame_seconds)
    start, end = clip.span.start_seconds, clip.span.end_seconds
    edges = np.concatenate([[start], (times[1:] + times[:-1]) / 2, [end]])
    # A frame that two clips share is outside one of them.
    return np.diff(np.clip(edges, start, end))


def _reach(clips: Sequence[Clip], anchor: int, taken: Collection[int]) -> tuple[int, int]:
    """First and last position that a window around the anchor may hold."""

    def may_join(edge: int, neighbour: int) -> bool:
        if clips[neighbour].id in taken:
            return False
        earlier, later = sorted((clips[edge].span, clips[neighbour].span))
        if later.start_seconds - earlier.end_seconds > ADJACENT_SECONDS:
            return False
        span = clips[anchor].span.union(clips[neighbour].span)
        return span.duration_seconds <= MAX_MOMENT_SECONDS

    first = last = anchor
    while first > 0 and may_join(first, first - 1):
        first -= 1
    while last + 1 < len(clips) and may_join(last, last + 1):
        last += 1
    return first, last
