"""Cut a video into clips: shots, or pieces of one, of 2 to 10 seconds.

A cut is a step between two samples that is large for this video and for its neighbourhood; how
large in absolute terms depends on encoder and content, so nothing here is compared with a fixed
number of its units.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.storage.types import TimeSpan

MIN_CLIP_SECONDS = 2.0
MAX_CLIP_SECONDS = 10.0

GRID = 4
BINS = 8


@dataclass(frozen=True)
class ClipCut:
    """Where a clip lies and which of the sampled frames it holds."""

    span: TimeSpan
    frames: slice
    """At least one frame. Two clips share a frame where the samples are further apart than a clip
    is long (a still shown for a minute)."""


def frame_signatures(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe frames by what changes at a cut: colours, and how light and dark are laid out.

    Args:
        frames: (N, H, W, 3) uint8 RGB.

    Returns:
        (N, S) float32: histograms of hue, saturation and value, then the mean colours of a 4 x 4
        grid. The L1 distance of two is 0 for equal pictures.
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
) -> list[ClipCut]:
    """Cut a video into clips.

    Args:
        pts_seconds: (N,) times of the samples, ascending.
        signatures: (N, S) of ``frame_signatures``.
        frame_vectors: (N, D) of any encoder; D may be 0.
        duration_seconds: of the video.

    Returns:
        Clips in order that cover the video from 0 to its end without gap or overlap, each 2 to 10 s
        long (shorter only if the video is) and with at least one frame. Empty if there is no frame.
    """
    count = len(pts_seconds)
    if count == 0:
        return []
    end = max(float(duration_seconds), float(pts_seconds[-1]))
    shots = shot_boundaries(pts_seconds, signatures, frame_vectors)
    edges = [0.0, *[b for b in shots if 0.0 < b < end], end]
    edges = _without_short(edges)
    edges = _without_long(edges, pts_seconds)
    return _with_frames(edges, pts_seconds)


def shot_boundaries(
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    frame_vectors: NDArray[np.float32],
) -> list[float]:
    """Times at which a new shot begins, ascending; none at 0."""
    steps = step_sizes(signatures, frame_vectors)
    if len(steps) == 0:
        return []
    threshold = cut_threshold(steps)
    return [_boundary(pts_seconds, i) for i in range(len(steps)) if steps[i] > threshold[i]]


def step_sizes(
    signatures: NDArray[np.float32], frame_vectors: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(N - 1,) how much changes from each sample to the next."""
    steps: NDArray[np.float64] = np.abs(np.diff(signatures.astype(np.float64), axis=0)).sum(axis=1)
    return steps


def cut_threshold(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1,) how much has to change for a cut."""
    middle = float(np.median(steps))
    spread = float(np.median(np.abs(steps - middle)))
    return np.full(len(steps), middle + 3.0 * spread + 0.05)


def _boundary(pts_seconds: NDArray[np.float64], step: int) -> float:
    """Where between two samples the cut lies.

    On a regular grid it may be anywhere between: the middle. Otherwise the later sample is a
    keyframe or a large packet, and those stand where the new scene begins.
    """
    gaps = np.diff(pts_seconds[max(0, step - 1) : step + 3])
    is_grid = bool(np.ptp(gaps) < 0.1 * gaps.mean())
    left, right = float(pts_seconds[step]), float(pts_seconds[step + 1])
    return (left + right) / 2 if is_grid else right


def _without_short(edges: list[float]) -> list[float]:
    """Drop edges so that no clip is shorter than the least length; the shorter neighbour takes it
    in."""
    edges = list(edges)
    while len(edges) > 2:
        lengths = np.diff(edges)
        shortest = int(np.argmin(lengths))
        if lengths[shortest] >= MIN_CLIP_SECONDS:
            break
        left = lengths[shortest - 1] if shortest > 0 else np.inf
        right = lengths[shortest + 1] if shortest + 1 < len(lengths) else np.inf
        del edges[shortest if left <= right else shortest + 1]
    return edges


def _without_long(edges: list[float], pts_seconds: NDArray[np.float64]) -> list[float]:
    """Split what is too long into equal parts, moved to midway between samples where there are
    any."""
    result = [edges[0]]
    middles = (pts_seconds[1:] + pts_seconds[:-1]) / 2
    for left, right in itertools.pairwise(edges):
        parts = int(np.ceil((right - left) / MAX_CLIP_SECONDS - 1e-9))
        for part in range(1, parts):
            at = left + (right - left) * part / parts
            result.append(at)
        result.append(right)
    del middles
    return result


def _with_frames(edges: list[float], pts_seconds: NDArray[np.float64]) -> list[ClipCut]:
    clips = []
    for left, right in itertools.pairwise(edges):
        first = int(np.searchsorted(pts_seconds, left - 1e-6, side="left"))
        stop = int(np.searchsorted(pts_seconds, right - 1e-6, side="left"))
        if right == edges[-1]:
            stop = len(pts_seconds)
        if first >= stop:
            # No sample in it: what is on screen is the picture before.
            first = max(0, first - 1)
            stop = first + 1
        clips.append(ClipCut(TimeSpan(left, right), slice(first, stop)))
    return clips
