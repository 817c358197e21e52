"""Detect whether an upload is a copy of a library video, and which seconds match.

    checker = CopyChecker(store, CopyDescriptor())
    verdict = checker.check(Path("upload.mp4"))
    print(verdict.kind, verdict.matches)

A cascade: identical bytes; then two frames per second against all library descriptors; then, if
most of the upload is still unexplained, crops of its picture (`crops.py`) and a second look at the
files of likely videos (`second_look.py`). Frames vote for the
videos with which they line up in time; the best videos are aligned (`alignment/`), and an alignment
that scores high enough is a match. Nothing is added to the library.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import CopyBlock, CopyVerdict, Video, VideoState
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat, unpacked
from vidseek.encoders.preprocessing import squash
from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.boilerplate import (
    BOILERPLATE_VIDEOS,
    FULL_COVERAGE,
    find_boilerplate,
    shared_spans,
)
from vidseek.search.copies.candidates import (
    BlocksWithout,
    Candidate,
    find_candidates,
    in_stretches,
)
from vidseek.search.copies.crops import Crop, query_crops, without_borders
from vidseek.search.copies.inspection import MIN_INSPECTED_SCORE, MatchInspector
from vidseek.search.copies.mirroring import is_mirrored
from vidseek.search.copies.paired_pictures import StoredPictures, UploadPictures
from vidseek.search.copies.scoring import (
    BOILERPLATE_WEIGHT,
    MIN_SIMILARITY,
    THRESHOLDS,
    ScoredAlignment,
    Threshold,
    score_alignment,
    without_repetitions,
)
from vidseek.search.copies.second_look import (
    FAINT_SIMILARITY,
    MAX_FAINT_VIDEOS,
    plan_looks,
    read_looks,
)
from vidseek.search.copies.upload import HashedUpload, Upload, frame_sequence
from vidseek.search.copies.verdict import covered_by, exact_verdict, make_verdict
from vidseek.storage.store import LibraryStore
from vidseek.video.limits import DEFAULT_LIMITS, DecodeLimits

MIN_PROBES, MAX_PROBES, PROBE_SECONDS = 6, 10, 10.0
"""Frames of each crop that are compared first, one every ``PROBE_SECONDS``..."""
MAX_CROP_FRAMES, MAX_CROPS = 60, 6
"""...and frames of the crops that are most similar to the library, and how many of these crops."""
MIN_CROP_VOTES = 0.05
"""Minimum votes of a crop for a video. Of 2,259 crops that matched on the calibration sources, one
had fewer."""
MAX_CANDIDATES = 25
"""Videos that are aligned with a stretch of the upload, or with the crops of its picture."""
MAX_SHARING = 10_000
"""If more videos than this share something, they are assumed to be different films."""


@dataclass(frozen=True)
class _Check:
    """One check in progress."""

    path: Path
    upload: Upload
    min_score: float
    """Minimum score of a listed match."""
    job: Job
    inspector: MatchInspector = field(default_factory=MatchInspector)


class CopyChecker:
    """Copy queries against one library. Safe to use from several threads."""

    def __init__(self, store: LibraryStore, descriptor: CopyDescriptor) -> None:
        self._store = store
        self._descriptor = descriptor

    def check(
        self,
        path: Path,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
        excluded: Collection[int] = (),
        job: Job | None = None,
    ) -> CopyVerdict:
        """Compare a file with the library.

        Args:
            path: the upload, absolute; nothing of it is stored.
            threshold: match strictness.
            min_score: also list matches scoring at least this; 0 lists every candidate. The
                verdict counts matches that reach both this and the threshold.
            excluded: ids of library videos to leave out of the comparison.
            job: reports progress and cancels.

        Raises:
            PathNotFoundError: the file does not exist.
            QueryError: the threshold is unknown.
            VideoError: the file cannot be read.
            JobCancelledError: the caller cancelled.
        """
        _check_threshold(threshold)
        return self.compare(
            self.open_upload(path, job),
            threshold=threshold,
            min_score=min_score,
            excluded=excluded,
            job=job,
        )

    def open_upload(
        self, path: Path, job: Job | None = None, *, limits: DecodeLimits = DEFAULT_LIMITS
    ) -> HashedUpload:
        """Hash an upload, for ``compare``.

        Args:
            path: the upload.
            job: cancels.
            limits: what the file may be and take when it is decoded.

        Raises:
            PathNotFoundError: the file does not exist.
            VideoError: the file cannot be opened.
            JobCancelledError: the caller cancelled.
        """
        return HashedUpload(path, job or Job(), limits=limits)

    def compare(
        self,
        hashed: HashedUpload,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
        excluded: Collection[int] = (),
        job: Job | None = None,
    ) -> CopyVerdict:
        """Compare an upload with the library as it is now; see ``check``."""
        _check_threshold(threshold)
        job = job or Job()
        job.check()
        same = [
            video
            for video in self._store.videos.with_hash(hashed.content_hash)
            if video.state is VideoState.INDEXED and video.id not in excluded
        ]
        if same:
            return exact_verdict(same)
        sure = THRESHOLDS[threshold]
        least = sure if min_score is None else min_score
        # Read in a thread while the upload is decoded.
        references: Iterable[CopyBlock]
        references = self._store.reference_index(self._descriptor.fingerprint).blocks()
        if excluded:
            references = BlocksWithout(references, excluded)
        check = _Check(hashed.path, hashed.decoded(self._descriptor, job), least, job)
        return self._compare(check, references, sure_score=max(sure, least))

    def _compare(
        self, check: _Check, references: Iterable[CopyBlock], *, sure_score: float
    ) -> CopyVerdict:
        """Compare a decoded upload with the library.

        Args:
            check: the upload, and what to list.
            references: the library's descriptors, as of a moment ago.
            sure_score: minimum score of the matches that the verdict counts.
        """
        upload = check.upload
        with self._store.snapshot():
            matches = self._whole_picture_matches(check, references)
            # Matches below the threshold must not end the search for those above it.
            sure = [match for match in matches if match.score >= sure_score]
            if covered_by(upload, sure) < FULL_COVERAGE:
                matches += self._crop_matches(check, references)
                sure = [match for match in matches if match.score >= sure_score]
            if covered_by(upload, sure) < FULL_COVERAGE:
                matches += self._second_look_matches(check, references)
            matches = without_repetitions(self._without_boilerplate(matches, check.min_score))
            videos = self._store.videos.by_id({match.video_id for match in matches})
            stored = self._reference_sequences(videos)
            mirrored = [
                is_mirrored(self._store, upload, match, videos[match.video_id]) for match in matches
            ]
        return make_verdict(upload, matches, mirrored, videos, stored, sure_score)

    def _whole_picture_matches(
        self, check: _Check, references: Iterable[CopyBlock]
    ) -> list[ScoredAlignment]:
        """Matches of the whole picture."""
        taken: Counter[int] = Counter()
        likely = set()
        for candidate in self._candidates(in_stretches(check.upload.frames), references):
            taken[candidate.query] += 1
            if taken[candidate.query] <= MAX_CANDIDATES:
                likely.add(candidate.video_id)
        pairs = [(check.upload.frames, video_id, None) for video_id in sorted(likely)]
        return self._aligned(check, pairs)

    def _crop_matches(
        self, check: _Check, references: Iterable[CopyBlock]
    ) -> list[ScoredAlignment]:
        """Matches of crops: a few frames of each crop, then more frames of the best crops."""
        upload = check.upload
        crops = list(query_crops(upload.pictures)) if len(upload.pictures) else []
        if not crops:
            return []
        check.job.check()
        probes = round(upload.duration_seconds / PROBE_SECONDS)
        few = evenly_spaced(len(upload.pictures), min(MAX_PROBES, max(MIN_PROBES, probes)))
        probed = self._crop_sequences(crops, upload, few)
        candidates = [
            candidate
            for candidate in self._candidates(probed, references)
            if candidate.votes >= MIN_CROP_VOTES
        ][:MAX_CANDIDATES]
        best = list(dict.fromkeys(candidate.query for candidate in candidates))[:MAX_CROPS]
        candidates = [candidate for candidate in candidates if candidate.query in best]
        check.job.check()
        more = evenly_spaced(len(upload.pictures), MAX_CROP_FRAMES)
        sequences = self._crop_sequences([crops[at] for at in best], upload, more)
        by_crop = dict(zip(best, sequences, strict=True))
        pairs = [
            (by_crop[candidate.query], candidate.video_id, crops[candidate.query])
            for candidate in candidates
        ]
        return self._aligned(check, pairs)

    def _second_look_matches(
        self, check: _Check, references: Iterable[CopyBlock]
    ) -> list[ScoredAlignment]:
        """Matches with the files of likely videos, cropped like the upload and densely sampled."""
        upload = check.upload
        if len(upload.pictures) == 0:
            return []
        frames, pictures = upload.frames, upload.pictures
        inner = without_borders(pictures)
        if inner is not None:
            pictures = inner
            every = evenly_spaced(len(inner), MAX_CROP_FRAMES)
            (frames,) = self._crop_sequences([Crop("without borders", inner)], upload, every)
        check.job.check()
        found = find_candidates(in_stretches(frames), references, min_similarity=FAINT_SIMILARITY)
        likely = list(dict.fromkeys(candidate.video_id for candidate in found))[:MAX_FAINT_VIDEOS]
        videos, stored = self._store.videos.by_id(likely), self._reference_sequences(likely)
        aspect = pictures.shape[2] / pictures.shape[1]
        looks = plan_looks(
            frames, aspect, [(videos[each], stored[each]) for each in likely if each in stored]
        )
        matches = []
        for look, seen in read_looks(looks, frames, self._descriptor):
            check.job.check()
            for alignment in align(frames, seen, min_similarity=MIN_SIMILARITY):
                match = score_alignment(
                    alignment,
                    look.video,
                    upload.duration_seconds,
                    None,
                    is_crop=look.aspect is not None,
                )
                if match.score >= check.min_score:
                    matches.append(match)
        return self._inspected(check, matches, {look.video.id: look.video for look in looks})

    def _crop_sequences(
        self, crops: Sequence[Crop], upload: Upload, chosen: NDArray[np.intp]
    ) -> list[FrameSequence]:
        """The descriptors of crops of the chosen pictures."""
        if not crops:
            return []
        squares, useful = [], []
        for crop in crops:
            pictures = crop.pictures[chosen]
            useful.append(~is_flat(pictures))
            squares.append(squash(pictures[useful[-1]], self._descriptor.picture_size))
        # All at once: full batches are faster.
        vectors = self._descriptor.describe(np.concatenate(squares))
        ends = np.cumsum([len(batch) for batch in squares])
        seconds = upload.picture_seconds[chosen]
        return [
            frame_sequence(self._descriptor, vectors[end - len(batch) : end], seconds[shown])
            for end, batch, shown in zip(ends, squares, useful, strict=True)
        ]

    def _candidates(
        self, queries: Sequence[FrameSequence], references: Iterable[CopyBlock]
    ) -> list[Candidate]:
        return find_candidates(queries, references, min_similarity=MIN_SIMILARITY)

    def _aligned(
        self, check: _Check, pairs: Sequence[tuple[FrameSequence, int, Crop | None]]
    ) -> list[ScoredAlignment]:
        """Align pairs of query frames, from a crop or not, and a video that they may show."""
        ids = {video_id for _, video_id, _ in pairs}
        videos = self._store.videos.by_id(ids)
        references = self._reference_sequences(ids)
        matches = []
        for done, (frames, video_id, crop) in enumerate(pairs):
            check.job.check()
            check.job.report(
                Progress(stage="comparing", done=done, total=len(pairs), unit="videos")
            )
            if video_id not in references or video_id not in videos:
                continue  # removed since the library's descriptors were read
            for alignment in align(frames, references[video_id], min_similarity=MIN_SIMILARITY):
                match = score_alignment(
                    alignment, videos[video_id], check.upload.duration_seconds, crop
                )
                if match.score >= check.min_score:
                    matches.append(match)
        return self._inspected(check, matches, videos)

    def _inspected(
        self, check: _Check, matches: Sequence[ScoredAlignment], videos: dict[int, Video]
    ) -> list[ScoredAlignment]:
        """The matches, with lower scores where the details of the videos differ; best first."""
        inspected = []
        # The best first: after a few of a video are refuted, its others are not looked at.
        for match in sorted(matches, key=lambda match: -match.score):
            weight = 1.0
            if match.score >= MIN_INSPECTED_SCORE:
                check.job.check()
                shown = UploadPictures(check.upload, check.path, match.crop)
                stored = StoredPictures(self._store, videos[match.video_id])
                weight = check.inspector.weight(match.alignment, shown, stored)
            if match.score * weight >= check.min_score:
                inspected.append(replace(match, score=match.score * weight))
        return inspected

    def _reference_sequences(self, video_ids: Collection[int]) -> dict[int, FrameSequence]:
        """The stored descriptors of videos, by id."""
        return {
            frames.video_id: FrameSequence(unpacked(frames.vectors), frames.seconds)
            for frames in self._store.copy_descriptors.read(
                self._descriptor.fingerprint, video_ids=video_ids
            )
        }

    def _without_boilerplate(
        self, matches: Sequence[ScoredAlignment], min_score: float
    ) -> list[ScoredAlignment]:
        """Reduce the scores of boilerplate; drop matches that then score too low."""
        if not matches:
            return []
        ids = {match.video_id for match in matches}
        shared = self._store.copy_matches.read(of_videos=ids)
        sharing = ids | {video for match in shared for video in (match.video_id, match.other_id)}
        if BOILERPLATE_VIDEOS <= len(sharing) <= MAX_SHARING:
            # The parts that they share with each other decide whether they are different films.
            shared = self._store.copy_matches.read(of_videos=sharing)
        videos = self._store.videos.by_id(sharing)
        boilerplate = find_boilerplate(shared_spans(shared, videos), videos)
        kept = []
        for match in matches:
            span = match.alignment.reference
            known = sum(span.overlap(part) for part in boilerplate.get(match.video_id, ()))
            if known >= FULL_COVERAGE * span.duration_seconds > 0:
                match = replace(match, score=match.score * BOILERPLATE_WEIGHT)
            if match.score >= min_score:
                kept.append(match)
        return kept


def _check_threshold(threshold: str) -> None:
    if threshold not in get_args(Threshold):
        raise QueryError(f"threshold must be one of {', '.join(THRESHOLDS)}, got {threshold!r}")
