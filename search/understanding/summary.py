"""Key frames and a reel that cover what a video shows.

    frames = VideoFrames.read(store, encoder.spec.fingerprint, video)
    key_frames(frames, descriptors, SummaryOptions(frames=12))

The video is cut into as many stretches as frames are wanted, and each gives the frame that is
nearest to its mean. Flat frames have no copy descriptor and are no candidates. A frame whose
descriptor is near to that of a chosen frame is its copy and is left out, and so are frames that are
blurred compared with the rest of the video. What is missing then is chosen by facility location
over the frame vectors, as the clips of a reel are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import QueryError, VideoError
from vidseek.core.job import Job, Progress
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import Clip, CopyFrames, TimeSpan, Video
from vidseek.encoders.copies.descriptor import unpacked
from vidseek.search.copies.sharpness import sharpness_of
from vidseek.search.moments.blank import SAME_FRAME_SECONDS
from vidseek.search.understanding.facility_location import choose
from vidseek.search.understanding.interests import unit
from vidseek.search.understanding.segmentation import segments
from vidseek.storage.store import LibraryStore

MAX_FRAMES = 500
MAX_COMPARED = 3000
"""Evenly spaced frames of a longer video that are compared with each other: 36 MB."""
MAX_SEGMENTED = 1000
"""Evenly spaced frames of a longer video that are cut into stretches: 8 MB."""
SHORTLIST = 3
"""Times the wanted number of frames, which are decoded to leave the blurred ones out."""
MIN_SHARPNESS_SHARE = 0.4
"""Of the median of the shortlist; blurring with a sigma of two pixels leaves 0.15 to 0.47."""
MIN_COPY_COSINE, MIN_MEANING_COSINE = 0.9, 0.9
"""Of the copy descriptors and of the vectors of two frames that show the same: both are needed,
because each takes some pictures for the same that are not."""
MIN_QUERY_SHARE = 0.5
"""Of the way from a video's median clip to its best one: clips below do not match a query."""
SHORT_SIDE = 240


@dataclass(frozen=True)
class KeyFrame:
    """A frame of a summary."""

    video: Video
    seconds: float
    span: TimeSpan
    """The clip that it stands for."""


@dataclass(frozen=True, kw_only=True)
class SummaryOptions:
    """How long a summary is: a number of frames, or of seconds."""

    frames: int | None = None
    seconds: float | None = None
    span: TimeSpan | None = None
    """The part of the video to summarise; None for all of it."""

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.seconds is None):
            raise QueryError("A summary has either a number of frames or a number of seconds.")
        if self.frames is not None:
            frames = arguments.whole_number(self.frames, "frames")
            if not 1 <= frames <= MAX_FRAMES:
                raise QueryError(f"A summary has 1 to {MAX_FRAMES} frames, got {frames}.")
        if self.seconds is not None and not 0 < arguments.number(self.seconds, "seconds") < np.inf:
            raise QueryError(f"A summary lasts more than 0 seconds, got {self.seconds:g}.")
        if self.span is not None and self.span.duration_seconds <= 0:
            raise QueryError("The part to summarise is empty: it must end after it starts.")


@dataclass(frozen=True)
class VideoFrames:
    """The sampled frames of a video, in order of time."""

    video: Video
    clips: tuple[Clip, ...]
    clip_rows: NDArray[np.intp]
    """(N,) row in ``clips`` of each frame."""
    seconds: NDArray[np.float64]
    """(N,) float64."""
    vectors: NDArray[np.float32]
    """(N, D) float32 unit rows."""

    @classmethod
    def read(
        cls, store: LibraryStore, fingerprint: str, video: Video, span: TimeSpan | None
    ) -> VideoFrames:
        """Read the frames of a video, or of a part of it.

        Raises:
            QueryError: the video has no such part.
        """
        clips = store.videos.clips(video.id)
        vectors = store.clip_vectors.frame_vectors([clip.id for clip in clips], fingerprint)
        times = [np.array(clip.frame_seconds) for clip in clips]
        rows = np.repeat(np.arange(len(clips)), [len(each) for each in times])
        seconds = np.concatenate([np.empty(0), *times])
        if span is not None:
            inside = (seconds >= span.start_seconds) & (seconds <= span.end_seconds)
            if not inside.any():
                raise QueryError(
                    f"{video.path} lasts {video.duration_seconds:.1f} s: no sampled frame is in "
                    f"{span.start_seconds:g}-{span.end_seconds:g} s."
                )
        else:
            inside = np.ones(len(seconds), np.bool_)
        stacked = np.concatenate(vectors)[inside] if vectors else np.empty((0, 1), np.float32)
        return cls(video, tuple(clips), rows[inside], seconds[inside], unit(stacked))

    def some(self, rows: NDArray[np.intp]) -> VideoFrames:
        """Some of the frames."""
        return VideoFrames(
            self.video, self.clips, self.clip_rows[rows], self.seconds[rows], self.vectors[rows]
        )

    def centred(self) -> NDArray[np.float32]:
        """(N, D) unit rows without half of what all the frames have in common."""
        if len(self.vectors) < 2:
            return self.vectors
        return unit(np.asarray(self.vectors - self.vectors.mean(axis=0) / 2, np.float32))

    def likeness(self) -> NDArray[np.float32]:
        """(N, N) cosines of the centred rows, 0 or more."""
        centred = self.centred()
        return np.asarray(np.maximum(centred @ centred.T, 0), np.float32)

    def weights(self) -> NDArray[np.float32]:
        """(N,) what each frame counts: a clip counts by the root of its length.

        A long take shows more than a short one, but less than twice as much if it is twice as long.
        """
        seconds = np.array([max(clip.span.duration_seconds, 0.04) for clip in self.clips])
        frames = np.bincount(self.clip_rows, minlength=len(self.clips))
        share = np.sqrt(seconds) / np.maximum(frames, 1)
        return np.asarray(share[self.clip_rows], np.float32)

    def key_frame(self, row: int) -> KeyFrame:
        """The key frame of a row."""
        return KeyFrame(self.video, float(self.seconds[row]), self.clips[self.clip_rows[row]].span)


def summarise(
    store: LibraryStore,
    frames: VideoFrames,
    copy_fingerprint: str,
    options: SummaryOptions,
    *,
    relevance: NDArray[np.float32] | None = None,
    job: Job | None = None,
) -> list[KeyFrame]:
    """Choose key frames, or clips each with a key frame, in order of time.

    Args:
        store: the library.
        frames: of the video.
        copy_fingerprint: of the copy descriptor.
        options: how many.
        relevance: (C,) likeness of each of the video's clips to a text, for a summary of what
            matches it.
        job: reports progress and cancels.

    Returns:
        Fewer than asked for if the video shows less; none if it is blank throughout.

    Raises:
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    if relevance is not None:
        frames = frames.some(np.flatnonzero(_matches(frames, relevance)[frames.clip_rows]))
    frames, copies = _that_show_something(store, frames, copy_fingerprint)
    thinned = evenly_spaced(len(frames.seconds), MAX_COMPARED)
    rows = np.asarray(thinned, np.intp)
    frames, copies = frames.some(rows), None if copies is None else copies[rows]
    if len(rows) == 0:
        return []
    likeness = frames.likeness()
    same = _show_the_same(frames, copies)
    if options.seconds is not None:
        return _reel(frames, likeness, same, options.seconds)
    assert options.frames is not None
    chosen = _key_rows(frames, likeness, same, options.frames, job)
    return [frames.key_frame(row) for row in sorted(chosen)]


def _key_rows(
    frames: VideoFrames,
    likeness: NDArray[np.float32],
    same: NDArray[np.bool_],
    count: int,
    job: Job,
) -> list[int]:
    weights = frames.weights()
    new = choose(
        likeness,
        weights,
        count=SHORTLIST * count,
        may_join=lambda row, chosen: not same[row, chosen].any(),
    )
    if len(new) <= count:  # the video shows no more
        return _sharp(frames, new, job)
    chosen = _central(frames, same, count, job)
    missing = count - len(chosen)
    if missing == 0:
        return chosen
    others = [row for row in new if not same[row, chosen].any()]
    sharp = _sharp(frames, others, job) if others else []
    uncovered = likeness
    if chosen:
        uncovered = np.maximum(likeness - likeness[chosen].max(axis=0), 0)
    return [*chosen, *(sharp[row] for row in choose(uncovered[sharp], weights, count=missing))]


def _central(frames: VideoFrames, same: NDArray[np.bool_], count: int, job: Job) -> list[int]:
    """Of each stretch the frame nearest to its mean that is sharp and no copy of one before."""
    rows = np.asarray(evenly_spaced(len(frames.seconds), MAX_SEGMENTED), np.intp)
    vectors = frames.centred()[rows].astype(np.float64)
    stretches = []
    for stretch in segments(vectors, count):
        nearness = vectors[stretch] @ vectors[stretch].mean(axis=0)
        stretches.append(rows[stretch][np.argsort(-nearness, kind="stable")[:SHORTLIST]].tolist())
    sharp = set(_sharp(frames, [row for stretch in stretches for row in stretch], job))
    chosen: list[int] = []
    for stretch in stretches:
        candidates = (row for row in stretch if row in sharp and not same[row, chosen].any())
        chosen += itertools.islice(candidates, 1)
    return chosen


def _matches(frames: VideoFrames, relevance: NDArray[np.float32]) -> NDArray[np.bool_]:
    shown = relevance[np.unique(frames.clip_rows)]
    if len(shown) == 0:
        return np.zeros(len(relevance), np.bool_)
    middle = float(np.median(shown))
    return np.asarray(relevance >= middle + MIN_QUERY_SHARE * (float(shown.max()) - middle))


def _that_show_something(
    store: LibraryStore, frames: VideoFrames, fingerprint: str
) -> tuple[VideoFrames, NDArray[np.float32] | None]:
    """The frames with a copy descriptor, and the descriptors; all if the video has none."""
    stored = next(iter(store.copy_descriptors.read(fingerprint, video_ids=[frames.video.id])), None)
    if stored is None:
        return frames, None
    rows, found = _paired(frames.seconds, stored)
    vectors = unit(unpacked(stored.vectors[found]))
    return frames.some(rows), vectors


def _paired(
    seconds: NDArray[np.float64], stored: CopyFrames
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of frames and of the descriptors at the same times."""
    found = np.searchsorted(stored.seconds, seconds - SAME_FRAME_SECONDS)
    exists = np.flatnonzero(found < len(stored.seconds))
    near = stored.seconds[found[exists]] <= seconds[exists] + SAME_FRAME_SECONDS
    rows = exists[near]
    return rows, found[rows]


def _show_the_same(frames: VideoFrames, copies: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    """(N, N): which frames are copies of each other."""
    same = frames.vectors @ frames.vectors.T >= MIN_MEANING_COSINE
    if copies is not None:
        same &= copies @ copies.T >= MIN_COPY_COSINE
    return np.asarray(same)


def _reel(
    frames: VideoFrames,
    likeness: NDArray[np.float32],
    same: NDArray[np.bool_],
    seconds: float,
) -> list[KeyFrame]:
    """Whole clips that fit into a number of seconds together; a part of one if none fits."""
    clip_rows, firsts = np.unique(frames.clip_rows, return_index=True)
    groups = np.split(np.arange(len(frames.seconds)), firsts[1:])
    clip_likeness = np.stack([likeness[group].max(axis=0) for group in groups])
    middles = [int(group[len(group) // 2]) for group in groups]
    costs = np.array([frames.clips[row].span.duration_seconds for row in clip_rows])

    def is_new(row: int, chosen: list[int]) -> bool:
        if not chosen:
            return True
        others = np.concatenate([groups[each] for each in chosen])
        return not same[np.ix_(groups[row], others)].any(axis=1).all()

    weights = frames.weights()
    chosen = choose(clip_likeness, weights, costs=costs, budget=seconds, may_join=is_new)
    if chosen:
        return [frames.key_frame(middles[row]) for row in sorted(chosen)]
    best = frames.key_frame(middles[int((clip_likeness @ weights).argmax())])
    start = min(
        max(best.span.start_seconds, best.seconds - seconds / 2), best.span.end_seconds - seconds
    )
    return [KeyFrame(best.video, best.seconds, TimeSpan(start, start + seconds))]


def _sharp(frames: VideoFrames, rows: Sequence[int], job: Job) -> list[int]:
    """Those of some rows that are not blurred; all if the file cannot be read."""
    job.report(Progress(stage="looking at frames", done=0, total=len(rows), unit="frames"))
    job.check()
    in_order = sorted(rows)
    pictures = decode_frames(frames.video, [float(frames.seconds[row]) for row in in_order])
    measured = [None if each is None else sharpness_of(each) for each in pictures]
    known = [each for each in measured if each is not None]
    if not known:
        return in_order
    least = MIN_SHARPNESS_SHARE * float(np.median(known))
    return [
        row
        for row, sharpness in zip(in_order, measured, strict=True)
        if sharpness is None or sharpness >= least
    ]


def decode_frames(video: Video, seconds: Sequence[float]) -> list[NDArray[np.uint8] | None]:
    """Decode the frames of a video at given times.

    Args:
        video: the video.
        seconds: ascending.

    Returns:
        For each time an (H, W, 3) uint8 RGB picture with a short side of ``SHORT_SIDE``; None where
        the file is gone or the frame cannot be read.
    """
    from vidseek.video import DecodeJob, DecodePool

    pictures: list[NDArray[np.uint8]] = []
    times: list[float] = []
    if not seconds or not video.path.is_file():
        return [None] * len(seconds)
    try:
        with DecodePool(workers=1, short_side=SHORT_SIDE) as pool:
            for decoded in pool.read([DecodeJob(video.path, at_seconds=tuple(seconds))]):
                for batch in decoded.batches():
                    pictures += [picture.copy() for picture in batch.data]
                    times += batch.pts_seconds.tolist()
    except VideoError:
        return [None] * len(seconds)
    if not pictures:
        return [None] * len(seconds)
    at = np.array(times)
    return [pictures[int(np.abs(at - wanted).argmin())] for wanted in seconds]
