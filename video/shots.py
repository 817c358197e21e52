"""The scene cutter: detects shot boundaries and cuts a video into clips of 2 to 10 seconds.

A cut is a step between two samples that is large for this video and for its neighbourhood. How
large it is in absolute terms depends on the encoder and the content, so steps are never compared
with a fixed threshold.

Measured by benchmarks/shots.py: boundary F1 within 1 s on two vlogs (417 s) and on joined clips
(6 x 75 s), and the time for both including decoding. PySceneDetect's AdaptiveDetector on every
frame: 0.784 and 0.769 in 31 s; its ContentDetector: 0.677 and 0.870 in 37 s. This cutter with
signatures alone: 0.633 and 0.871 in 4 s on the samples of ``fast``, 0.700 and 0.926 in 9 s on those
of ``dense``; with frame vectors as well, which indexing computes anyway: 0.652 and 0.889, 0.700 and
0.931.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import TimeSpan

MIN_CLIP_SECONDS = 2.0
MAX_CLIP_SECONDS = 10.0

GRID = 4
BINS = 8

# Tuned on excerpts of real clips joined end to end; see benchmarks/shots.py.
CUT_SCORE = 0.8
PROMINENCE_POWER = 0.7
NEIGHBOURS = 3
FAR_SECONDS = 15.0
FAR_PAIRS = 4000
MIN_SCENE_DISTANCE = 0.7
"""Minimum distance between two scenes of a video in ``frame_signatures`` (1.4 to 3.3 observed)."""


@dataclass(frozen=True)
class ClipCut:
    """The span of a clip and its sampled frames."""

    span: TimeSpan
    frames: slice
    """At least one frame. Two clips share a frame where samples are further apart than a clip is
    long, as in a still shown for a minute."""


def frame_signatures(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe frames by what changes at a cut: colours, and the layout of light and dark.

    Args:
        frames: (N, H, W, 3) uint8 RGB.

    Returns:
        (N, S) float32: histograms of hue, saturation and value, then the mean colours of a 4 x 4
        grid. The L1 distance of two signatures is 0 for equal pictures.
    """
    count, height, width, _ = frames.shape
    signatures = np.zeros((count, 3 * BINS + GRID * GRID * 3), dtype=np.float32)
    step = max(1, min(height, width) // 48)
    rows = np.linspace(0, -(-height // step), GRID + 1).astype(int)
    columns = np.linspace(0, -(-width // step), GRID + 1).astype(int)
    for number in range(count):
        small = frames[number, ::step, ::step].astype(np.float32) / np.float32(255)
        signatures[number, : 3 * BINS] = _colour_histograms(small)
        cells = [
            small[
                rows[i] : max(rows[i] + 1, rows[i + 1]),
                columns[j] : max(columns[j] + 1, columns[j + 1]),
            ]
            .reshape(-1, 3)
            .mean(axis=0)
            for i in range(GRID)
            for j in range(GRID)
        ]
        signatures[number, 3 * BINS :] = np.nan_to_num(np.concatenate(cells)) / (GRID * GRID)
    return signatures


def _colour_histograms(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = picture.reshape(-1, 3)
    value = flat.max(axis=1)
    chroma = value - flat.min(axis=1)
    saturation = np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)
    red, green, blue = flat.T
    safe = np.where(chroma > 0, chroma, 1)
    hue = (
        np.select(
            [value == red, value == green],
            [((green - blue) / safe) % 6, (blue - red) / safe + 2],
            (red - green) / safe + 4,
        )
        / 6
    )
    parts = []
    for channel, weight in ((hue, chroma), (saturation, None), (value, None)):
        counts, _ = np.histogram(channel, bins=BINS, range=(0.0, 1.0), weights=weight)
        parts.append(counts / len(flat))
    return np.concatenate(parts).astype(np.float32)


def cut_clips(
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    frame_vectors: NDArray[np.float32],
    *,
    duration_seconds: float,
    start_seconds: float = 0.0,
) -> list[ClipCut]:
    """Cut a video or a part of it into clips.

    Args:
        pts_seconds: (N,) times of the samples, ascending.
        signatures: (N, S) from ``frame_signatures``.
        frame_vectors: (N, D) from any encoder; D may be 0.
        duration_seconds: end of the video or of the part.
        start_seconds: start of the part; the first sample may be slightly before it.

    Returns:
        Clips in order. They cover the video from start to end without gap or overlap, each 2 to
        10 s long (shorter only if the video is) with at least one frame. Empty without frames.
    """
    count = len(pts_seconds)
    if count == 0:
        return []
    start = float(start_seconds)
    end = max(float(duration_seconds), float(pts_seconds[-1]), start)
    shots = shot_boundaries(pts_seconds, signatures, frame_vectors)
    edges = [start, *[at for at in shots if start < at < end], end]
    return _with_frames(_without_long(_without_short(edges)), pts_seconds)


def shot_boundaries(
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    frame_vectors: NDArray[np.float32],
) -> list[float]:
    """Times at which a new shot begins, ascending, without 0. Arguments as for ``cut_clips``."""
    if len(pts_seconds) < 2:
        return []
    scores = cut_scores(pts_seconds, signatures, frame_vectors)
    cuts = np.flatnonzero(scores > cut_threshold(pts_seconds))
    left, right = pts_seconds[cuts], pts_seconds[cuts + 1]
    # On a regular grid the cut may be anywhere between two samples. Otherwise the later sample is a
    # keyframe or a large packet, which encoders place at the start of a scene.
    return [float(at) for at in ((left + right) / 2 if _is_grid(pts_seconds) else right)]


def cut_scores(
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    frame_vectors: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Score how much each step from a sample to the next looks like a cut.

    Returns:
        (N - 1,): the step, in units of the typical distance between two scenes of this video, times
        its prominence over the steps around it.
    """
    far = _far_pairs(pts_seconds)
    changes = []
    apart = 1.0
    if signatures.shape[1]:
        unit = _typical(signatures, far)
        changes.append(_steps(signatures) / max(unit, MIN_SCENE_DISTANCE))
        # A video with a single scene has no distance between scenes; noise must not replace it.
        apart = min(1.0, unit / MIN_SCENE_DISTANCE)
    if frame_vectors.shape[1]:
        unit = _typical(frame_vectors, far)
        changes.append(apart * _steps(frame_vectors) / max(unit, 1e-6))
    change: NDArray[np.float64] = np.mean(changes, axis=0)
    return change * _prominence(change) ** PROMINENCE_POWER


def cut_threshold(pts_seconds: NDArray[np.float64]) -> float:
    """Minimum score of a cut. Lower for sparser samples, where a cut stands out less."""
    spacing = float(np.median(np.diff(pts_seconds)))
    return float(np.clip(CUT_SCORE / max(spacing, 1e-3), CUT_SCORE / 2, CUT_SCORE))


def _steps(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    steps: NDArray[np.float64] = np.abs(np.diff(rows.astype(np.float64), axis=0)).sum(axis=1)
    return steps


def _far_pairs(pts_seconds: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of samples that are probably from different shots."""
    random = np.random.default_rng(0)
    left, right = random.integers(0, len(pts_seconds), size=(2, FAR_PAIRS))
    apart = np.abs(pts_seconds[left] - pts_seconds[right])
    length = float(pts_seconds[-1] - pts_seconds[0])
    far = apart >= min(FAR_SECONDS, length / 3)
    return left[far], right[far]


def _typical(rows: NDArray[np.float32], pairs: tuple[NDArray[np.intp], NDArray[np.intp]]) -> float:
    left, right = pairs
    if len(left) == 0:
        return 0.0
    distances = np.abs(rows[left].astype(np.float64) - rows[right]).sum(axis=1)
    return float(np.median(distances))


def _prominence(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1,) each step over the median of its neighbours plus half the video's median."""
    floor = float(np.median(change)) / 2 + 1e-9
    result = np.ones(len(change))
    for index in range(len(change)):
        around = np.r_[
            change[max(0, index - NEIGHBOURS) : index], change[index + 1 : index + 1 + NEIGHBOURS]
        ]
        if len(around):
            result[index] = change[index] / (float(np.median(around)) + floor)
    return result


def _is_grid(pts_seconds: NDArray[np.float64]) -> bool:
    gaps = np.diff(pts_seconds)
    middle = float(np.median(gaps))
    return bool(np.mean(np.abs(gaps - middle) <= 0.1 * middle) > 0.9)


def _without_short(edges: list[float]) -> list[float]:
    """Drop edges until no clip is too short, merging it into its shorter neighbour."""
    kept = [edges[0]]
    for number, edge in enumerate(edges[1:], start=1):
        is_last = number == len(edges) - 1
        if edge - kept[-1] >= MIN_CLIP_SECONDS:
            kept.append(edge)
        elif is_last:
            # The end stays fixed: the last clip absorbs the remainder.
            kept[-1:] = [edge] if len(kept) > 1 else [kept[-1], edge]
        elif len(kept) > 1 and edges[number + 1] - edge > kept[-1] - kept[-2]:
            kept[-1] = edge  # into the previous clip, which is shorter
    return kept


def _without_long(edges: list[float]) -> list[float]:
    """Split clips that are too long into equal parts."""
    result = [edges[0]]
    for left, right in itertools.pairwise(edges):
        parts = int(np.ceil((right - left) / MAX_CLIP_SECONDS - 1e-9))
        result += [left + (right - left) * part / parts for part in range(1, parts)]
        result.append(right)
    return result


def _with_frames(edges: list[float], pts_seconds: NDArray[np.float64]) -> list[ClipCut]:
    clips = []
    for left, right in itertools.pairwise(edges):
        first = int(np.searchsorted(pts_seconds, left - 1e-6, side="left"))
        stop = int(np.searchsorted(pts_seconds, right - 1e-6, side="left"))
        if left == edges[0]:
            first = 0
        if right == edges[-1]:
            stop = len(pts_seconds)
        if first >= stop:
            # No sample inside: the previous frame is still on screen.
            first = max(0, first - 1)
            stop = first + 1
        clips.append(ClipCut(TimeSpan(left, right), slice(first, stop)))
    return clips
