"""The scene cutter: detects shot boundaries and cuts a video into clips of 2 to 10 seconds.

A picture that is held for more than a minute is one clip, however long.

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
from vidseek.video.sampling import SceneStarts

MIN_CLIP_SECONDS = 2.0
MAX_CLIP_SECONDS = 10.0
STILL_SECONDS = 60.0
"""A picture held for longer is one clip: search would find each ten seconds of it equally well."""
STILL_GRID = 32
STILL_DIFFERENCE = 12
"""Maximum difference, of 255, of any cell of ``frame_grids`` between two frames of a still."""
MAX_STILL_FRAMES = 60
"""Maximum number of samples that are stored of a still."""

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
    """At least one frame, and not all of a long still. Two clips share a frame where samples are
    further apart than a clip is long, as in a still shown for a minute."""


@dataclass(frozen=True)
class CutEvidence:
    """What a cut is placed by, beside the samples."""

    grids: NDArray[np.uint8] | None = None
    """(N, G) from ``frame_grids``. Without them, a still is recognised only where a sample is shown
    for more than ``STILL_SECONDS``."""
    scene_starts: SceneStarts | None = None
    """From ``scene_starts``. Without them, a cut between two samples is placed in the middle."""


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


def frame_grids(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Small pictures of frames, by which a still is told from slides that share a template.

    Args:
        frames: (N, H, W, 3) uint8 RGB.

    Returns:
        (N, G) uint8: mean brightness (of green) in the cells of a grid, up to 32 x 32.
    """
    green = frames[:, ::2, ::2, 1]
    _, height, width = green.shape
    rows = np.unique(np.linspace(0, height, STILL_GRID, endpoint=False).astype(int))
    columns = np.unique(np.linspace(0, width, STILL_GRID, endpoint=False).astype(int))
    sums = np.add.reduceat(green, rows, axis=1, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns, axis=2)
    areas = np.outer(np.diff(np.append(rows, height)), np.diff(np.append(columns, width)))
    grids: NDArray[np.uint8] = (sums // areas).astype(np.uint8).reshape(len(frames), -1)
    return grids


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
    evidence: CutEvidence | None = None,
) -> list[ClipCut]:
    """Cut a video or a part of it into clips.

    Args:
        pts_seconds: (N,) times of the samples, ascending.
        signatures: (N, S) from ``frame_signatures``.
        frame_vectors: (N, D) from any encoder; D may be 0.
        duration_seconds: end of the video or of the part.
        start_seconds: start of the part; the first sample may be slightly before it.
        evidence: more about the same video.

    Returns:
        Clips in order. They cover the video from start to end without gap or overlap, each 2 to
        10 s long (shorter only if the video is, longer only if the picture does not change) with
        at least one frame. Empty without frames.
    """
    count = len(pts_seconds)
    if count == 0:
        return []
    start = float(start_seconds)
    end = max(float(duration_seconds), float(pts_seconds[-1]), start)
    evidence = evidence or CutEvidence()
    shots = shot_boundaries(pts_seconds, signatures, frame_vectors, evidence.scene_starts)
    edges = [start, *[at for at in shots if start < at < end], end]
    stills = _stills(pts_seconds, evidence.grids, end)
    # An encoder that repeats a picture at another quality makes no cut.
    edges = [at for at in edges if not any(first < at < last for first, last in stills)]
    return _with_frames(_without_long(_without_short(edges), stills), pts_seconds)


def shot_boundaries(
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    frame_vectors: NDArray[np.float32],
    scene_starts: SceneStarts | None = None,
) -> list[float]:
    """Times at which a new shot begins, ascending, without 0. Arguments as for ``cut_clips``."""
    if len(pts_seconds) < 2:
        return []
    scores = cut_scores(pts_seconds, signatures, frame_vectors)
    cuts = np.flatnonzero(scores > cut_threshold(pts_seconds))
    left, right = pts_seconds[cuts], pts_seconds[cuts + 1]
    if not _is_grid(pts_seconds):
        # The later sample is a keyframe or a large packet, which encoders place at the start of a
        # scene.
        return [float(at) for at in right]
    # On a regular grid the cut may be anywhere between two samples.
    return [
        _placed(*pair, scene_starts) for pair in zip(left.tolist(), right.tolist(), strict=True)
    ]


def _placed(left: float, right: float, scene_starts: SceneStarts | None) -> float:
    """Where between two samples a scene begins: at the packet with the new picture, if it shows."""
    if scene_starts is not None:
        row = int(np.searchsorted(scene_starts.sample_seconds, right - 1e-4))
        if row < len(scene_starts.start_seconds):
            start = float(scene_starts.start_seconds[row])
            if left < start <= right:
                return start
    return (left + right) / 2


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


def _stills(
    pts_seconds: NDArray[np.float64], grids: NDArray[np.uint8] | None, end: float
) -> list[tuple[float, float]]:
    """Stretches of more than ``STILL_SECONDS`` that show the same picture."""
    borders = [float(pts_seconds[0])]
    reference = None if grids is None else grids[0].astype(np.int16)
    for number in range(1, len(pts_seconds)):
        if grids is None or np.abs(grids[number] - reference).max() > STILL_DIFFERENCE:
            borders.append(float(pts_seconds[number]))
            reference = None if grids is None else grids[number].astype(np.int16)
    borders.append(end)
    return [pair for pair in itertools.pairwise(borders) if pair[1] - pair[0] > STILL_SECONDS]


def _without_long(edges: list[float], stills: list[tuple[float, float]]) -> list[float]:
    """Split clips that are too long into equal parts, but no still."""
    result = [edges[0]]
    for left, right in itertools.pairwise(edges):
        for first, last in stills:
            first, last = max(first, left), min(last, right)
            if last - first <= STILL_SECONDS:
                continue
            if first - result[-1] >= MIN_CLIP_SECONDS:
                result += _equal_parts(result[-1], first)
            # A remainder that is too short for a clip belongs to the still.
            result.append(right if right - last < MIN_CLIP_SECONDS else last)
        if result[-1] < right:
            result += _equal_parts(result[-1], right)
    return result


def _equal_parts(left: float, right: float) -> list[float]:
    """The ends of the parts of a stretch, each of at most ``MAX_CLIP_SECONDS``."""
    parts = int(np.ceil((right - left) / MAX_CLIP_SECONDS - 1e-9))
    return [*(left + (right - left) * part / parts for part in range(1, parts)), right]


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
        step = -(-(stop - first) // MAX_STILL_FRAMES) if right - left > STILL_SECONDS else None
        clips.append(ClipCut(TimeSpan(left, right), slice(first, stop, step)))
    return clips
