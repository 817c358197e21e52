"""A second look at a few library videos, decoded from their files.

    looks = plan_looks(query, aspect, candidates)
    for look, frames in read_looks(looks, query, descriptor):
        align(query, frames)

Two kinds of copies are hard to see in what the library stores. An upload cropped to another shape
(a landscape film cut to 9:16) shows a third of what the stored descriptors describe. And an excerpt
of two seconds may lie between the few frames that ``fast`` sampling kept of a long video. In both
cases the true video still gets more faint votes than others, so the likeliest videos are decoded
again where they resemble the upload: densely, and cropped to the upload's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import VideoError
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import TimeSpan, Video
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.boilerplate import merged
from vidseek.search.copies.scoring import MIN_SIMILARITY
from vidseek.search.copies.upload import QUERY_INTERVAL_SECONDS, SHORT_SIDE
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

FAINT_SIMILARITY = 0.1
"""Minimum score-normalised cosine of a frame and a third of it. Of 44 films cropped to 9:16, all
got the most votes of 132 films at this similarity."""
MAX_FAINT_VIDEOS, MAX_LOOKS = 8, 3
"""Videos with the most faint votes that are considered, and how many of them are decoded."""
MIN_CHANGE = 1.25
"""Ratio of the aspects of an upload and a video from which on a crop is likely."""
MIN_SPACING_SECONDS = 1.2
"""Distance of stored frames from which on an excerpt may lie between them."""
MIN_LOOK_SECONDS, MAX_LOOK_SECONDS = 60.0, 300.0
"""How much of a video is decoded: as much as the upload lasts, within these limits."""
PAD_SECONDS = 2.0
CROP_PLACES = (0.5, 0.25, 0.75, 0.0, 1.0)
"""Where in the free room a crop is tried; the middle is the likeliest."""
PROBES = 4
MAX_QUERY_FRAMES = 512


@dataclass(frozen=True)
class Look:
    """Parts of a library video to decode."""

    video: Video
    spans: tuple[TimeSpan, ...]
    aspect: float | None
    """Width over height of the crop to compare; None for the whole picture."""


def plan_looks(
    query: FrameSequence, aspect: float, candidates: Sequence[tuple[Video, FrameSequence]]
) -> list[Look]:
    """Choose what to decode.

    Args:
        query: descriptors of the upload.
        aspect: width over height of its picture, without bars.
        candidates: the likeliest library videos with their stored descriptors, best first.
    """
    looks = []
    for video, stored in candidates:
        change = aspect * video.height / max(video.width, 1)
        is_crop = max(change, 1 / max(change, 1e-6)) >= MIN_CHANGE
        if not is_crop and stored.spacing_seconds < MIN_SPACING_SECONDS:
            continue
        least = FAINT_SIMILARITY if is_crop else MIN_SIMILARITY
        spans = _similar_spans(query, stored, least)
        if spans:
            looks.append(Look(video, spans, aspect if is_crop else None))
        if len(looks) == MAX_LOOKS:
            break
    return looks


def _similar_spans(
    query: FrameSequence, stored: FrameSequence, least: float
) -> tuple[TimeSpan, ...]:
    """The seconds around the stored frames that are most similar to any frame of the query."""
    if len(query) == 0 or len(stored) == 0:
        return ()
    rows = evenly_spaced(len(query), MAX_QUERY_FRAMES)
    cosines = query.vectors[rows] @ stored.vectors.T
    cosines -= np.reshape(query.bias_of(rows), (-1, 1))
    most = cosines.max(axis=0)
    length = float(query.seconds[-1] - query.seconds[0])
    budget = min(MAX_LOOK_SECONDS, max(MIN_LOOK_SECONDS, 1.5 * length))
    spacing = stored.spacing_seconds if len(stored) > 1 else 2 * PAD_SECONDS
    pad = PAD_SECONDS + min(spacing, 2 * PAD_SECONDS) / 2
    spans: list[TimeSpan] = []
    for at in np.argsort(-most, kind="stable"):
        if most[at] < least or sum(span.duration_seconds for span in spans) >= budget:
            break
        middle = float(stored.seconds[at])
        spans = merged([*spans, TimeSpan(max(0.0, middle - pad), middle + pad)])
    return tuple(spans)


def read_looks(
    looks: Sequence[Look], query: FrameSequence, descriptor: CopyDescriptor
) -> Iterator[tuple[Look, FrameSequence]]:
    """Decode and describe what was chosen. A file that cannot be read, or has changed, is left out.

    Args:
        looks: what to decode.
        query: descriptors of the upload, by which the place of a crop is chosen.
        descriptor: computes the descriptors.
    """
    looks = [look for look in looks if _is_as_indexed(look.video)]
    if not looks:
        return
    plan = SamplingPlan("dense", QUERY_INTERVAL_SECONDS)
    jobs = [DecodeJob(look.video.path, plan, span) for look in looks for span in look.spans]
    with DecodePool(workers=1, short_side=SHORT_SIDE) as pool:
        decoded = pool.read(jobs)
        for look in looks:
            pictures: list[NDArray[np.uint8]] = []
            seconds: list[float] = []
            for _ in look.spans:
                with suppress(VideoError):
                    for batch in next(decoded).batches():
                        if not pictures or batch.data.shape[1:] == pictures[0].shape:
                            pictures += list(batch.data.copy())
                            seconds += batch.pts_seconds.tolist()
            if pictures:
                shown = _described(look, np.stack(pictures), query, descriptor)
                yield look, _in_order(shown, np.array(seconds))


def _is_as_indexed(video: Video) -> bool:
    try:
        status = video.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.modified_ns)


def _described(
    look: Look,
    pictures: NDArray[np.uint8],
    query: FrameSequence,
    descriptor: CopyDescriptor,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Descriptors of the pictures that are not flat, and which those are."""
    if look.aspect is not None:
        probed = pictures[evenly_spaced(len(pictures), PROBES)]
        rows = evenly_spaced(len(query), MAX_QUERY_FRAMES)

        def similarity(place: float) -> float:
            vectors = descriptor.describe(cropped(probed, look.aspect or 1.0, place))
            cosines = query.vectors[rows] @ vectors.T
            cosines -= np.reshape(query.bias_of(rows), (-1, 1))
            return float(cosines.max(axis=0).mean())

        pictures = cropped(pictures, look.aspect, max(CROP_PLACES, key=similarity))
    useful = ~is_flat(pictures)
    return descriptor.describe(pictures[useful]), useful


def _in_order(
    shown: tuple[NDArray[np.float32], NDArray[np.bool_]], seconds: NDArray[np.float64]
) -> FrameSequence:
    vectors, useful = shown
    times, first = np.unique(seconds[useful], return_index=True)
    return FrameSequence(vectors[first], times)


def cropped(pictures: NDArray[np.uint8], aspect: float, place: float) -> NDArray[np.uint8]:
    """The largest part of pictures that has an aspect.

    Args:
        pictures: (N, H, W, 3).
        aspect: width over height.
        place: where in the free room, 0 (left or top) to 1 (right or bottom).
    """
    height, width = pictures.shape[1:3]
    wide = min(width, max(1, round(height * aspect)))
    high = min(height, max(1, round(width / aspect)))
    left, top = round(place * (width - wide)), round(place * (height - high))
    return np.ascontiguousarray(pictures[:, top : top + high, left : left + wide])
