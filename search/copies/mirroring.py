"""Detect whether a copy shows the library's pictures mirrored.

    lead = mirror_lead(uploaded, kept)        # pairs of pictures of the same moments
    if lead > MIN_LEAD: ...                 # mirrored

The copy descriptor is robust to mirroring, so its vectors can hardly tell. Here the edges of small
grey pictures are matched by normalised cross-correlation of templates (Lewis 1995): at every
position, in several sizes, each picture within the other, in the eight orientations of a square.
The best of the four flipped orientations is compared with the best of the four others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Video
from vidseek.encoders.preprocessing import squash
from vidseek.search.copies.crops import UPSIDE_DOWN
from vidseek.search.copies.scoring import ScoredAlignment
from vidseek.search.copies.upload import Upload
from vidseek.storage.store import LibraryStore

SIDE = 32
"""Side in pixels of the compared squares."""
SIZES = (32, 26, 21, 16)
"""Template sides in pixels: a quarter of the picture is still found."""
MAX_STRETCH = 1.7
"""Maximum aspect ratio of a template."""
MIN_LEAD = 0.03
"""Above the leads of copies that are not mirrored, crops and bars included, and below those of
mirrored copies; `tests/search/copies/test_mirroring.py` checks both."""

MIRROR_PAIRS = 4
"""Maximum pictures of a match that are compared."""

_Edges = dict[tuple[int, int], NDArray[np.float32]]
"""By height and width."""


def is_mirrored(store: LibraryStore, upload: Upload, match: ScoredAlignment, video: Video) -> bool:
    """Whether a match shows the library video mirrored.

    Args:
        store: the library, for its thumbnails.
        upload: the upload.
        match: the match of the upload with the video.
        video: the library video.
    """
    span = match.alignment.query
    shown = np.flatnonzero(
        (upload.picture_seconds >= span.start_seconds)
        & (upload.picture_seconds <= span.end_seconds)
    )
    if len(upload.pictures) == 0:
        return False
    if len(shown) == 0:
        middle = (span.start_seconds + span.end_seconds) / 2
        shown = np.abs(upload.picture_seconds - middle).argsort()[:1]
    pictures = upload.pictures if match.crop is None else match.crop.pictures
    expected = match.alignment.reference_seconds(upload.picture_seconds[shown])
    # The library stores a thumbnail of each clip's middle frame.
    kept = [
        clip.middle_frame_seconds
        for clip in store.videos.clips_within(video.id, match.alignment.reference)
    ]
    apart = np.abs(expected[:, None] - np.array(kept)[None])
    pairs = []
    for at in np.argsort(apart.min(0, initial=math.inf))[:MIRROR_PAIRS]:
        thumbnail = store.read_thumbnail(video.content_hash, kept[at])
        if thumbnail is not None:
            pairs.append((pictures[shown[apart[:, at].argmin()]], thumbnail))
    if not pairs:
        return False
    ours, theirs = zip(*pairs, strict=True)
    is_other_way = mirror_lead(ours, theirs) > MIN_LEAD
    # Upside down is mirrored and rotated.
    return is_other_way != (match.crop is not None and match.crop.name == UPSIDE_DOWN)


def mirror_lead(uploaded: Sequence[NDArray[np.uint8]], kept: Sequence[NDArray[np.uint8]]) -> float:
    """How much more similar pairs of pictures are when one is mirrored.

    Args:
        uploaded: N pictures (H, W, 3) uint8 RGB of any sizes; N is at least 1.
        kept: N pictures of the same moments.

    Returns:
        Mean over pairs of the best correlation with a flip minus the best without, -1 to 1.
    """
    leads = []
    for ours, theirs in zip(uploaded, kept, strict=True):
        our_edges, their_edges = _edges(ours), _edges(theirs)
        best = np.maximum(
            _correlations(our_edges, their_edges), _correlations(their_edges, our_edges)
        )
        leads.append(best[1] - best[0])
    return float(np.mean(leads))


def _edges(picture: NDArray[np.uint8]) -> _Edges:
    """Square roots of the grey gradients, for the picture resized to every template size."""
    grey = squash(picture[None], 2 * SIDE)[0].mean(-1, dtype=np.float32)
    down, across = np.gradient(grey)
    strength = np.sqrt(np.hypot(down, across))
    return {(y, x): _shrinking(y) @ strength @ _shrinking(x).T for y, x in _template_sizes()}


@cache
def _template_sizes() -> list[tuple[int, int]]:
    return [(y, x) for y in SIZES for x in SIZES if max(y, x) <= MAX_STRETCH * min(y, x)]


@cache
def _shrinking(size: int) -> NDArray[np.float32]:
    """(size, 2 SIDE) matrix that averages over equal stretches."""
    ends = np.linspace(0, 2 * SIDE, size + 1)
    pixels = np.arange(2 * SIDE)
    shares = np.minimum(ends[1:, None], pixels + 1) - np.maximum(ends[:-1, None], pixels)
    weights = np.maximum(shares, 0)
    shrinking: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return shrinking


def _correlations(templates: _Edges, within: _Edges) -> NDArray[np.float32]:
    """(2,) best correlation of any template anywhere in the picture: unflipped, flipped."""
    picture = within[SIDE, SIDE]
    best = np.full(2, -1, np.float32)
    for height, width in _template_sizes():
        upright, lying = templates[height, width], templates[width, height].T
        # A half turn; a transpose is a flip, and a quarter turn is a flipped transpose.
        plain = (upright, upright[::-1, ::-1], lying[::-1], lying[:, ::-1])
        flipped = (upright[::-1], upright[:, ::-1], lying, lying[::-1, ::-1])
        looked_for = np.stack([each.ravel() for each in (*plain, *flipped)])
        windows = np.lib.stride_tricks.sliding_window_view(picture, (height, width))
        flat = windows.reshape(-1, height * width)
        spread = flat.std(1) * np.sqrt(flat.shape[1])
        looked_for = looked_for - looked_for.mean(1, keepdims=True)
        lengths = np.linalg.norm(looked_for, axis=1)
        correlations = (looked_for @ flat.T) / np.maximum(lengths[:, None] * spread, 1e-3)
        best = np.maximum(best, correlations.max(1).reshape(2, 4).max(1))
    return best
