"""Is this upload a copy of something the library holds, and of which seconds?

    finder = CopyChecker(store, CopyDescriptor())
    verdict = finder.check(Path("upload.mp4"))
    print(verdict.kind, verdict.matches)

A cascade: the same bytes; then two frames a second against all the library's frames; then, while
most of the upload is unexplained, parts of its picture (`copy_views.py`). Frames vote for videos by
how well they line up in time; the best are aligned (`alignment.py`), and what is aligned well
enough is a match. Nothing is added to the library.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import PathNotFoundError, QueryError, WeightsError
from vidseek.core.paths import hash_file
from vidseek.core.sampling import evenly_spaced
from vidseek.core.types import (
    CopyVerdict,
    Match,
    MatchKind,
    TimeSpan,
    Video,
    VideoState,
)
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat, unpacked
from vidseek.encoders.preprocessing import squash
from vidseek.search.copies.alignment.align import Alignment, FrameSequence, align
from vidseek.search.copies.boilerplate import (
    BOILERPLATE_VIDEOS,
    FULL_COVERAGE,
    bridges,
    covered_share,
    find_boilerplate,
    shared_spans,
)
from vidseek.search.copies.candidates import Candidate, find_candidates, in_stretches
from vidseek.search.copies.crops import UPSIDE_DOWN, View, composition_views
from vidseek.search.copies.mirroring import MIN_LEAD, mirror_lead
from vidseek.search.copies.reference_index import ReferenceDescriptors
from vidseek.search.copies.upload import CopyUpload
from vidseek.storage.store import LibraryStore

Threshold = Literal["strict", "normal", "loose"]
THRESHOLDS: dict[Threshold, float] = {"strict": 0.45, "normal": 0.385, "loose": 0.33}
"""Least score of a match. Of 517 calibration videos of `benchmarks/copies`, which are no copies,
none, one and 10 are accused; of 1,136 test videos none, 9 and 76 (docs/explanation/copies.md)."""
MIN_SIMILARITY = 0.25
"""Cosine less noise above which two frames speak for a match."""
MAX_KEPT_PICTURES = 160
"""Of an upload, evenly spread: what parts of the picture are looked at in. 23 MB."""
MIN_PROBES, MAX_PROBES, PROBE_SECONDS = 6, 10, 10.0
"""Of each part, so many frames are looked at first, one in so many seconds..."""
MAX_VIEW_FRAMES, MAX_VIEWS = 60, 6
"""...and so many of the parts that are most like something in the library."""
MIN_PART_VOTES = 0.05
"""A part that speaks less for a video is not looked at again: of 2,259 parts that were found to be
copies on the calibration sources, one had less."""
MAX_CANDIDATES = 25
"""Videos that are aligned with a stretch of the upload, or with parts of its picture."""
DISTINCT_WEIGHT, FULL_COVERAGE_WEIGHT = 0.07, 0.1
PART_PENALTY = 0.06
SURE_SECONDS, STILL_DISTINCT, MOMENT_WEIGHT = 3.0, 0.2, 0.7
"""A match of less than these seconds, or of less than this more than one distinct frame, scores
less; one of a single frame so much of it."""
EDGE_SECONDS, EDGE_MARGIN_SECONDS = 10.0, 1.5
EDGE_WEIGHT = 0.75
"""What is like a common intro or outro scores so much of what it would score elsewhere..."""
BOILERPLATE_WEIGHT = 0.4
"""...and so much where five videos of the library are known to share it."""
MAX_SHARING = 10_000
"""Where more videos than this share something, they are taken to be different films."""
REPEATED_SHARE = 0.4
"""A match more of which a better one shows already is the same again."""
MIRROR_PAIRS = 4
"""Of a match, so many pictures at most are looked at both ways round."""


@dataclass(frozen=True)
class Upload:
    """What is known of a video that is asked about."""

    duration_seconds: float
    frames: FrameSequence
    """Its frames but the flat ones."""
    pictures: NDArray[np.uint8]
    """(K, H, W, 3) uint8 RGB, evenly spread."""
    picture_seconds: NDArray[np.float64]
    """(K,)."""


class CopyChecker:
    """Copy queries against one library. Safe to use from several threads."""

    def __init__(self, store: LibraryStore, descriptor: CopyDescriptor) -> None:
        self._store = store
        self._descriptor = descriptor

    def check(
        self,
        file: Path | CopyUpload,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
    ) -> CopyVerdict:
        """Compare a video with all of the library's.

        Args:
            file: path of the upload, of which nothing is kept; or what decodes it already, which
                can be checked once and is closed by whoever made it.
            threshold: how sure a match must be.
            min_score: list what scores this, too; 0 lists every candidate. The verdict is of what
                scores the threshold, and this.

        Raises:
            PathNotFoundError: there is no such file.
            QueryError: the threshold is none.
            VideoError: the file cannot be read.
        """
        if threshold not in get_args(Threshold):
            raise QueryError(f"threshold is {', '.join(THRESHOLDS)}, got {threshold!r}")
        path = file.path if isinstance(file, CopyUpload) else file
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            what = "is a folder" if path.is_dir() else what
            raise PathNotFoundError(f"{path} {what}: give the video to be checked.")
        content_hash = hash_file(path)
        same = [
            video
            for video in self._store.videos.with_hash(content_hash)
            if video.state is VideoState.INDEXED
        ]
        if same:
            return _exact(same)
        sure = THRESHOLDS[threshold]
        least = sure if min_score is None else min_score
        with ReferenceDescriptors(self._store, self._descriptor.fingerprint) as library:
            if isinstance(file, CopyUpload):
                upload = self._read(file)
            else:
                with CopyUpload(file) as decoding:
                    upload = self._read(decoding)
            return self._compare(upload, library, min_score=least, sure_score=max(sure, least))

    def _compare(
        self, upload: Upload, library: ReferenceDescriptors, *, min_score: float, sure_score: float
    ) -> CopyVerdict:
        """Compare what was read of a video with all of the library's.

        Args:
            upload: what was read.
            library: its frames; of a moment ago.
            min_score: of what is listed.
            sure_score: of what the verdict is of.
        """
        with self._store.snapshot():
            found = self._matches(upload, library, min_score)
            # What is listed on demand must not end the search for what is sure.
            sure = [one for one in found if one.score >= sure_score]
            if _covered(upload, sure) < FULL_COVERAGE:
                found += self._matches_of_parts(upload, library, min_score)
            found = _without_repetitions(self._without_boilerplate(found, min_score))
            videos = self._store.videos.by_id({one.video_id for one in found})
            mirrored = self._mirrored(upload, found, videos)
        return _verdict(upload, found, mirrored, videos, sure_score)

    # -- reading -----------------------------------------------------------------------------------

    def _read(self, decoding: CopyUpload) -> Upload:
        vectors, times = [], []
        kept = _FrameReservoir(MAX_KEPT_PICTURES)
        loading = Thread(target=self._load_descriptor)  # while the decoder starts
        loading.start()
        try:
            for batch in decoding.batches():
                useful = ~is_flat(batch.data)
                vectors.append(self._descriptor.describe(batch.data[useful]))
                times.append(batch.pts_seconds[useful].copy())
                kept.add(batch.data[useful], batch.pts_seconds[useful])
        finally:
            # A program that ends while ONNX Runtime loads is aborted.
            loading.join()
        described = np.concatenate(vectors)
        pictures, picture_seconds = kept.all()
        return Upload(
            decoding.duration_seconds,
            self._sequence(described, np.concatenate(times)),
            pictures,
            picture_seconds,
        )

    def _load_descriptor(self) -> None:
        # What fails here fails again at the first frame, where it is told.
        with suppress(WeightsError):
            self._descriptor.load()

    def _sequence(
        self, vectors: NDArray[np.float32], seconds: NDArray[np.float64]
    ) -> FrameSequence:
        noise = self._descriptor.noise(vectors) if len(vectors) else np.zeros(0, np.float32)
        return FrameSequence(vectors, seconds, noise)

    # -- comparing ---------------------------------------------------------------------------------

    def _matches(
        self, upload: Upload, library: ReferenceDescriptors, min_score: float
    ) -> list[_Found]:
        """What an upload has in common with the library's videos."""
        taken: Counter[int] = Counter()
        likely = set()
        for one in self._candidates(in_stretches(upload.frames), library):
            taken[one.look] += 1
            if taken[one.look] <= MAX_CANDIDATES:
                likely.add(one.video_id)
        pairs = [(upload.frames, video_id, None) for video_id in sorted(likely)]
        return self._aligned(upload, pairs, min_score)

    def _matches_of_parts(
        self, upload: Upload, library: ReferenceDescriptors, min_score: float
    ) -> list[_Found]:
        """The same, of parts of the upload's picture: a few frames of each, then more of some."""
        views = list(composition_views(upload.pictures)) if len(upload.pictures) else []
        if not views:
            return []
        probes = round(upload.duration_seconds / PROBE_SECONDS)
        few = evenly_spaced(len(upload.pictures), min(MAX_PROBES, max(MIN_PROBES, probes)))
        looks_first = self._looks(views, upload, few)
        candidates = [
            one for one in self._candidates(looks_first, library) if one.votes >= MIN_PART_VOTES
        ][:MAX_CANDIDATES]
        best = list(dict.fromkeys(one.look for one in candidates))[:MAX_VIEWS]
        candidates = [one for one in candidates if one.look in best]
        more = evenly_spaced(len(upload.pictures), MAX_VIEW_FRAMES)
        looks = dict(zip(best, self._looks([views[at] for at in best], upload, more), strict=True))
        pairs = [(looks[one.look], one.video_id, views[one.look]) for one in candidates]
        return self._aligned(upload, pairs, min_score)

    def _looks(
        self, views: Sequence[View], upload: Upload, chosen: NDArray[np.intp]
    ) -> list[FrameSequence]:
        """What the parts show in some of the pictures."""
        if not views:
            return []
        squares, useful = [], []
        for view in views:
            pictures = view.pictures[chosen]
            useful.append(~is_flat(pictures))
            squares.append(squash(pictures[useful[-1]], self._descriptor.picture_size))
        # All at once: batches that are full are quicker.
        vectors = self._descriptor.describe(np.concatenate(squares))
        ends = np.cumsum([len(some) for some in squares])
        return [
            self._sequence(vectors[end - len(some) : end], upload.picture_seconds[chosen][shown])
            for end, some, shown in zip(ends, squares, useful, strict=True)
        ]

    def _candidates(
        self, looks: Sequence[FrameSequence], library: ReferenceDescriptors
    ) -> list[Candidate]:
        return find_candidates(looks, library, min_similarity=MIN_SIMILARITY)

    def _aligned(
        self,
        upload: Upload,
        pairs: Sequence[tuple[FrameSequence, int, View | None]],
        min_score: float,
    ) -> list[_Found]:
        ids = {video_id for _, video_id, _ in pairs}
        videos = self._store.videos.by_id(ids)
        lengths = {video.id: video.duration_seconds for video in videos.values()}
        held = {
            frames.video_id: FrameSequence(unpacked(frames.vectors), frames.seconds)
            for frames in self._store.copy_descriptors.read(
                self._descriptor.fingerprint, video_ids=ids
            )
        }
        found = []
        for look, video_id, view in pairs:
            if video_id not in held or video_id not in lengths:
                continue  # removed since the library's frames were read
            for one in align(look, held[video_id], min_similarity=MIN_SIMILARITY):
                score = match_score(
                    one,
                    query_seconds=upload.duration_seconds,
                    library_seconds=lengths[video_id],
                    is_of_part=view is not None,
                )
                if is_edge(one, upload.duration_seconds, lengths[video_id]):
                    score *= EDGE_WEIGHT
                if score >= min_score:
                    inside = _inside(one, upload.duration_seconds, lengths[video_id])
                    found.append(_Found(video_id, inside, score, view))
        return found

    def _without_boilerplate(self, found: Sequence[_Found], min_score: float) -> list[_Found]:
        """What is left when common intros weigh little."""
        if not found:
            return []
        ids = {one.video_id for one in found}
        matches = self._store.copy_matches.read(of_videos=ids)
        others = ids | {one for match in matches for one in (match.video_id, match.other_id)}
        if BOILERPLATE_VIDEOS <= len(others) <= MAX_SHARING:
            # Whether those that share something are different is in what they share of each other.
            matches = self._store.copy_matches.read(of_videos=others)
        videos = self._store.videos.by_id(others)
        boilerplate = find_boilerplate(shared_spans(matches, videos), videos)
        kept = []
        for one in found:
            span = one.alignment.library
            known = sum(span.overlap(part) for part in boilerplate.get(one.video_id, ()))
            if known >= FULL_COVERAGE * span.duration_seconds > 0:
                one = replace(one, score=one.score * BOILERPLATE_WEIGHT)
            if one.score >= min_score:
                kept.append(one)
        return kept

    def _mirrored(
        self, upload: Upload, found: Sequence[_Found], videos: dict[int, Video]
    ) -> list[bool]:
        """Whether each match shows the library's picture the other way round."""
        return [self._is_mirrored(upload, one, videos[one.video_id]) for one in found]

    def _is_mirrored(self, upload: Upload, one: _Found, video: Video) -> bool:
        span = one.alignment.query
        shown = np.flatnonzero(
            (upload.picture_seconds >= span.start_seconds)
            & (upload.picture_seconds <= span.end_seconds)
        )
        if len(upload.pictures) == 0:
            return False
        if len(shown) == 0:
            middle = (span.start_seconds + span.end_seconds) / 2
            shown = np.abs(upload.picture_seconds - middle).argsort()[:1]
        pictures = upload.pictures if one.view is None else one.view.pictures
        expected = one.alignment.library_seconds(upload.picture_seconds[shown])
        # Of the library's, a picture of each clip's middle frame is kept.
        kept = [
            clip.middle_frame_seconds
            for clip in self._store.videos.clips_within(video.id, one.alignment.library)
        ]
        apart = np.abs(expected[:, None] - np.array(kept)[None])
        pairs = []
        for at in np.argsort(apart.min(0, initial=math.inf))[:MIRROR_PAIRS]:
            thumbnail = self._store.read_thumbnail(video.content_hash, kept[at])
            if thumbnail is not None:
                pairs.append((pictures[shown[apart[:, at].argmin()]], thumbnail))
        if not pairs:
            return False
        ours, theirs = zip(*pairs, strict=True)
        is_other_way = mirror_lead(ours, theirs) > MIN_LEAD
        # Upside down is mirrored, and turned.
        return is_other_way != (one.view is not None and one.view.name == UPSIDE_DOWN)


@dataclass(frozen=True)
class _Found:
    video_id: int
    alignment: Alignment
    score: float
    view: View | None = None
    """The part of the picture that it was found in; None for all of it."""


def _inside(alignment: Alignment, query_seconds: float, library_seconds: float) -> Alignment:
    """The same, ending where the videos do: a last frame stands for a while after it."""

    def clipped(span: TimeSpan, end: float) -> TimeSpan:
        return TimeSpan(min(span.start_seconds, end), min(span.end_seconds, end))

    return replace(
        alignment,
        query=clipped(alignment.query, query_seconds),
        library=clipped(alignment.library, library_seconds),
    )


class _FrameReservoir:
    """Pictures evenly spread over a video whose length is not known before."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self._pictures: list[NDArray[np.uint8]] = []
        self._seconds: list[float] = []

    def add(self, pictures: NDArray[np.uint8], seconds: NDArray[np.float64]) -> None:
        """Look at some more pictures."""
        for picture, at in zip(pictures, seconds.tolist(), strict=True):
            if self._seen % self._every == 0:
                self._pictures.append(picture.copy())
                self._seconds.append(at)
                if len(self._pictures) > self._most:
                    self._pictures, self._seconds = self._pictures[::2], self._seconds[::2]
                    self._every *= 2
            self._seen += 1

    def all(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """(K, H, W, 3) and (K,)."""
        if not self._pictures:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0)
        # A video may change its size midway; what is looked at must not.
        size = self._pictures[0].shape
        same = [index for index, one in enumerate(self._pictures) if one.shape == size]
        return (
            np.stack([self._pictures[index] for index in same]),
            np.array([self._seconds[index] for index in same]),
        )


def match_score(
    alignment: Alignment, *, query_seconds: float, library_seconds: float, is_of_part: bool
) -> float:
    """How sure a match is, 0 to 1: how alike its frames are, how many different ones agree, and how
    much it is of both videos.

    Chosen on the benchmark's calibration sources and rounded; the weight of the whole is a small
    one, for how many copies of the world are whole is not known. A part of a picture is one of
    twenty that were looked at, each of which had its chance to look like something.

    Args:
        alignment: of two videos.
        query_seconds: length of the one.
        library_seconds: length of the other.
        is_of_part: whether it was found in a part of the picture.
    """
    score = alignment.similarity + DISTINCT_WEIGHT * math.log(max(alignment.distinct_frames, 1.0))
    shares = (
        alignment.query.duration_seconds / max(query_seconds, 1e-6),
        alignment.library.duration_seconds / max(library_seconds, 1e-6),
    )
    score += FULL_COVERAGE_WEIGHT * min(1.0, *shares)
    # A moment is little to go by, however alike, and so is a still, however long.
    evidence = min(
        1.0,
        alignment.query.duration_seconds / SURE_SECONDS,
        (alignment.distinct_frames - 1) / STILL_DISTINCT,
    )
    score *= MOMENT_WEIGHT + (1 - MOMENT_WEIGHT) * max(0.0, evidence)
    return min(1.0, max(0.0, score - PART_PENALTY * is_of_part))


def is_edge(alignment: Alignment, query_seconds: float, library_seconds: float) -> bool:
    """True for a few seconds that two videos begin, or end, with, and that are all of neither.

    That is what an intro or an outro looks like, which two innocent videos may share.
    """
    here, there = alignment.query, alignment.library
    is_short = max(here.duration_seconds, there.duration_seconds) <= EDGE_SECONDS
    is_least = (
        here.duration_seconds < FULL_COVERAGE * query_seconds
        and there.duration_seconds < FULL_COVERAGE * library_seconds
    )
    starts = max(here.start_seconds, there.start_seconds) <= EDGE_MARGIN_SECONDS
    ends = (
        min(here.end_seconds - query_seconds, there.end_seconds - library_seconds)
        >= -EDGE_MARGIN_SECONDS
    )
    return is_short and is_least and (starts or ends)


# -- verdicts --------------------------------------------------------------------------------------


def kind_of(query_share: float, library_share: float) -> MatchKind:
    """What the covered shares of an upload and of a library's video make of the two."""
    if min(query_share, library_share) >= FULL_COVERAGE:
        return "duplicate"
    if library_share >= FULL_COVERAGE:
        return "contains"
    return "contained" if query_share >= FULL_COVERAGE else "partial"


_ORDER: tuple[MatchKind, ...] = ("exact", "duplicate", "contains", "contained", "partial", "new")


def _verdict(
    upload: Upload,
    found: Sequence[_Found],
    mirrored: Sequence[bool],
    videos: dict[int, Video],
    sure_score: float,
) -> CopyVerdict:
    matches = []
    for video_id, video in videos.items():
        own = [
            (one.alignment, flag, one.score)
            for one, flag in zip(found, mirrored, strict=True)
            if one.video_id == video_id
        ]
        # What is not sure must not make more of what is.
        best = max(score for _, _, score in own)
        counted = [one for one in own if one[2] >= min(sure_score, best)]
        shown = [(one.query, one.library) for one, _, _ in counted]
        shown += bridges(shown)
        query_share = covered_share([here for here, _ in shown], upload.duration_seconds)
        library_share = covered_share([there for _, there in shown], video.duration_seconds)
        kind = kind_of(query_share, library_share)
        matches += [
            Match(video, kind, one.query, one.library, one.speed, flag, score)
            for one, flag, score in own
        ]
    matches.sort(key=lambda one: (one.score < sure_score, _ORDER.index(one.kind), -one.score))
    is_copy = bool(matches) and matches[0].score >= sure_score
    return CopyVerdict(
        matches[0].kind if is_copy else "new",
        tuple(matches),
        upload.duration_seconds,
        len(upload.frames),
    )


def _exact(videos: Iterable[Video]) -> CopyVerdict:
    matches = []
    for video in videos:
        whole = TimeSpan(0.0, video.duration_seconds)
        matches.append(Match(video, "exact", whole, whole, 1.0, False, 1.0))
    return CopyVerdict("exact", tuple(matches), matches[0].query_span.end_seconds, 0)


def _covered(upload: Upload, found: Sequence[_Found]) -> float:
    return covered_share([one.alignment.query for one in found], upload.duration_seconds)


def _without_repetitions(found: Sequence[_Found]) -> list[_Found]:
    """Each stretch of the upload once a video: it shows one stretch of it, the best of those found.

    Several looks at one upload find the same, and a weaker line beside the right one.
    """
    kept: list[_Found] = []
    for one in sorted(found, key=lambda each: -each.score):
        span = one.alignment.query
        others = [other.alignment.query for other in kept if other.video_id == one.video_id]
        shared = sum(span.overlap(other) for other in others)
        if not others or shared < REPEATED_SHARE * span.duration_seconds:
            kept.append(one)
    return kept
