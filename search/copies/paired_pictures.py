"""Pictures of the same moments of the two videos of a match.

    ours, theirs = UploadPictures(upload, path), StoredPictures(store, video)
    shown, stored = pair_pictures(match.alignment, ours, theirs)

Of an upload, evenly spaced pictures are kept; of a library video, a thumbnail of each clip's middle
frame. Where these are too far apart in time, frames are decoded.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import VideoError
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import TimeSpan, Video
from vidseek.search.copies.alignment.sequence import Alignment
from vidseek.search.copies.crops import Crop
from vidseek.search.copies.upload import SHORT_SIDE, Upload
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodeJob, DecodePool

logger = logging.getLogger(__name__)

MAX_PAIRS = 4
"""Pairs of pictures of a match, spread over it."""
MIN_PAIRS = 2
"""With fewer pairs of stored pictures, frames are decoded."""
MAX_APART_SECONDS = 0.5
"""Between the stored pictures of a pair. Further apart, a moving scene shows something else."""
MARGIN_SECONDS = 1.0
"""At both ends of a match, of which no pictures are compared: other footage may begin there."""

Pictures = list[NDArray[np.uint8]]
"""(H, W, 3) uint8 RGB, of any sizes."""


class VideoPictures(Protocol):
    """The pictures of one video of a match."""

    def stored_seconds(self, span: TimeSpan) -> NDArray[np.float64]:
        """(N,) ascending times within a span of which a picture is at hand."""

    def stored(self, seconds: float) -> NDArray[np.uint8] | None:
        """The picture at a time that ``stored_seconds`` gave; None if it cannot be read."""

    def decoded(self, seconds: Sequence[float]) -> Pictures:
        """The frames nearest to these times; empty if the file cannot be read."""


@dataclass(frozen=True)
class UploadPictures:
    """The pictures of an upload."""

    upload: Upload
    path: Path
    crop: Crop | None = None
    """The crop in which the match was found. Decoded frames are not cropped."""

    def stored_seconds(self, span: TimeSpan) -> NDArray[np.float64]:
        """See ``VideoPictures``."""
        return _within(self.upload.picture_seconds, span)

    def stored(self, seconds: float) -> NDArray[np.uint8] | None:
        """See ``VideoPictures``."""
        pictures = self.upload.pictures if self.crop is None else self.crop.pictures
        picture: NDArray[np.uint8] = pictures[self.upload.picture_seconds.searchsorted(seconds)]
        return picture

    def decoded(self, seconds: Sequence[float]) -> Pictures:
        """See ``VideoPictures``."""
        return decode_pictures(self.path, seconds)


@dataclass(frozen=True)
class StoredPictures:
    """The pictures of a library video: its thumbnails, and its file if that is still there."""

    store: LibraryStore
    video: Video

    def stored_seconds(self, span: TimeSpan) -> NDArray[np.float64]:
        """See ``VideoPictures``."""
        clips = self.store.videos.clips_within(self.video.id, span)
        return _within(np.array([clip.middle_frame_seconds for clip in clips], np.float64), span)

    def stored(self, seconds: float) -> NDArray[np.uint8] | None:
        """See ``VideoPictures``."""
        return self.store.read_thumbnail(self.video.content_hash, seconds)

    def decoded(self, seconds: Sequence[float]) -> Pictures:
        """See ``VideoPictures``."""
        try:
            is_as_indexed = self.video.path.stat().st_size == self.video.size_bytes
        except OSError:
            return []
        return decode_pictures(self.video.path, seconds) if is_as_indexed else []


def pair_pictures(
    alignment: Alignment, ours: VideoPictures, theirs: VideoPictures, *, is_exact: bool = False
) -> tuple[Pictures, Pictures]:
    """Pictures of the query, and of the reference at the same moments.

    Args:
        alignment: the match of the two.
        ours: of the query.
        theirs: of the reference.
        is_exact: decode frames, so that the moments are the same to a frame.

    Returns:
        Two lists of at most ``MAX_PAIRS`` pictures; empty if there are none of the same moments.
    """
    query_seconds = ours.stored_seconds(_inner(alignment.query))
    reference_seconds = theirs.stored_seconds(_inner(alignment.reference))
    near = _near(alignment, query_seconds, reference_seconds)
    if is_exact or len(near) < MIN_PAIRS:
        decoded = _decoded_pairs(alignment, ours, theirs)
        if not decoded[0]:
            decoded = _half_decoded_pairs(alignment, ours, theirs, reference_seconds)
        if decoded[0]:
            return decoded
    shown: Pictures = []
    stored: Pictures = []
    for here, there in [near[at] for at in evenly_spaced(len(near), MAX_PAIRS)]:
        pair = ours.stored(here), theirs.stored(there)
        is_fit = not stored or (pair[1] is not None and pair[1].shape == stored[0].shape)
        if pair[0] is not None and pair[1] is not None and is_fit:
            shown.append(pair[0])
            stored.append(pair[1])
    return shown, stored


def _near(
    alignment: Alignment, here: NDArray[np.float64], there: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """For each of our times (N,) and theirs (M,), pairs of the same moment."""
    if len(here) == 0 or len(there) == 0:
        return []
    apart = np.abs(alignment.reference_seconds(here)[:, None] - there[None])
    rows = apart.argmin(axis=0)
    is_near = apart[rows, np.arange(len(there))] <= MAX_APART_SECONDS
    return [
        (float(here[row]), float(at)) for row, at in zip(rows[is_near], there[is_near], strict=True)
    ]


def _decoded_pairs(
    alignment: Alignment, ours: VideoPictures, theirs: VideoPictures
) -> tuple[Pictures, Pictures]:
    """Frames of both videos; none if either file cannot be read."""
    span = _inner(alignment.query)
    steps = (np.arange(MAX_PAIRS) + 0.5) / MAX_PAIRS
    moments = span.start_seconds + steps * span.duration_seconds
    frames = theirs.decoded(alignment.reference_seconds(moments).tolist())
    shown = ours.decoded(moments.tolist()) if frames else []
    return (shown, frames) if shown else ([], [])


def _half_decoded_pairs(
    alignment: Alignment,
    ours: VideoPictures,
    theirs: VideoPictures,
    reference_seconds: NDArray[np.float64],
) -> tuple[Pictures, Pictures]:
    """Frames of the query at the moments (N,) of stored pictures of the reference."""
    if len(reference_seconds) < MIN_PAIRS:
        return [], []
    chosen = reference_seconds[evenly_spaced(len(reference_seconds), MAX_PAIRS)]
    found = [(at, theirs.stored(float(at))) for at in chosen]
    readable = [(at, picture) for at, picture in found if picture is not None]
    if not readable:
        return [], []
    times = _query_seconds(alignment, np.array([at for at, _ in readable]))
    shown = ours.decoded(times.tolist())
    return (shown, [picture for _, picture in readable]) if shown else ([], [])


def _inner(span: TimeSpan) -> TimeSpan:
    """A span without its ends, which are known to a second only."""
    margin = min(MARGIN_SECONDS, span.duration_seconds / 4)
    return TimeSpan(span.start_seconds + margin, span.end_seconds - margin)


def _query_seconds(alignment: Alignment, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) times of the query that show (N,) times of the reference."""
    span = alignment.reference
    start = span.start_seconds if alignment.speed > 0 else span.end_seconds
    return alignment.query.start_seconds + (seconds - start) / alignment.speed


def _within(seconds: NDArray[np.float64], span: TimeSpan) -> NDArray[np.float64]:
    return seconds[(seconds >= span.start_seconds) & (seconds <= span.end_seconds)]


def decode_pictures(path: Path, seconds: Sequence[float]) -> Pictures:
    """Decode the frames of a file nearest to given times.

    Args:
        path: of a video.
        seconds: in any order.

    Returns:
        As many pictures with a short side of ``SHORT_SIDE``; empty if the file cannot be read.
    """
    pictures, times = [], []
    try:
        with DecodePool(workers=1, short_side=SHORT_SIDE) as pool:
            job = DecodeJob(path, at_seconds=tuple(sorted(max(0.0, at) for at in seconds)))
            for video in pool.read([job]):
                for batch in video.batches():
                    pictures += [picture.copy() for picture in batch.data]
                    times += batch.pts_seconds.tolist()
    except VideoError as error:
        logger.debug("%s: no pictures to compare: %s", path, error)
        return []
    if not pictures:
        return []
    return [pictures[int(np.abs(np.array(times) - at).argmin())] for at in seconds]
