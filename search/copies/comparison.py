"""Comparison of new library videos with the whole library.

    compare_new_videos(store, descriptor)      # only videos that were not compared before

Shared segments are stored once, when the second video is compared. `duplicate_groups.py` groups the
videos.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from vidseek.core.job import Job, Progress
from vidseek.core.types import CopyMatch
from vidseek.encoders.copies.descriptor import CopyDescriptor, unpacked
from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.candidates import find_candidates, in_stretches
from vidseek.search.copies.inspection import MatchInspector
from vidseek.search.copies.paired_pictures import StoredPictures
from vidseek.search.copies.scoring import MIN_SIMILARITY, THRESHOLDS, match_score
from vidseek.search.copies.upload import frame_sequence
from vidseek.storage.store import LibraryStore

VIDEOS_AT_ONCE = 32
"""New videos compared in one pass over the library's descriptors."""
MAX_CANDIDATES = 20
"""Candidates for each stretch of a video."""


def compare_new_videos(
    store: LibraryStore, descriptor: CopyDescriptor, *, job: Job | None = None
) -> int:
    """Compare the videos that were not compared before with the library, and store the matches.

    Args:
        store: the library; written to only if there is something to compare.
        descriptor: the descriptor of the library's frames.
        job: reports progress; if it is cancelled, the videos compared so far stay stored.

    Returns:
        Number of videos compared.

    Raises:
        LibraryLockedError: another process is writing to the library.
    """
    fingerprint = descriptor.fingerprint
    if store.read_only or not store.copy_matches.videos_to_compare(fingerprint):
        return 0
    job = job or Job()
    done = 0
    with store.lease():
        waiting = store.copy_matches.videos_to_compare(fingerprint)
        new = set(waiting)
        for start in range(0, len(waiting), VIDEOS_AT_ONCE):
            if job.is_cancelled:
                break
            job.report(
                Progress(stage="comparing copies", done=done, total=len(waiting), unit="videos")
            )
            batch = waiting[start : start + VIDEOS_AT_ONCE]
            matches = _compare(store, descriptor, batch, new)
            for video_id in batch:
                store.copy_matches.add(video_id, matches[video_id])
            new.difference_update(batch)
            done += len(batch)
    return done


def _compare(
    store: LibraryStore,
    descriptor: CopyDescriptor,
    video_ids: Collection[int],
    new: Collection[int],
) -> dict[int, list[CopyMatch]]:
    """Matches of some of the new videos with other videos, or with new ones of a smaller id."""
    fingerprint = descriptor.fingerprint
    sequences = {
        frames.video_id: frame_sequence(descriptor, unpacked(frames.vectors), frames.seconds)
        for frames in store.copy_descriptors.read(fingerprint, video_ids=video_ids)
    }
    pairs = _candidate_pairs(store, fingerprint, sequences, new)
    references = {
        frames.video_id: FrameSequence(unpacked(frames.vectors), frames.seconds)
        for frames in store.copy_descriptors.read(
            fingerprint, video_ids={other for others in pairs.values() for other in others}
        )
    }
    videos = store.videos.by_id({*sequences, *references})
    matches: dict[int, list[CopyMatch]] = {video_id: [] for video_id in video_ids}
    for video_id, others in pairs.items():
        if video_id not in videos:
            continue  # removed meanwhile, as others may be
        inspector = MatchInspector()
        for other in sorted(others & references.keys() & videos.keys()):
            ours, theirs = (StoredPictures(store, videos[each]) for each in (video_id, other))
            matches[video_id] += _matches_of_pair(
                inspector, ours, sequences[video_id], theirs, references[other]
            )
    return matches


def _candidate_pairs(
    store: LibraryStore,
    fingerprint: str,
    sequences: dict[int, FrameSequence],
    new: Collection[int],
) -> dict[int, set[int]]:
    """For each video, the ids of the videos with which it may share something."""
    query_videos, queries = [], []
    for video_id, sequence in sequences.items():
        stretches = in_stretches(sequence)
        queries += stretches
        query_videos += [video_id] * len(stretches)
    pairs: dict[int, set[int]] = defaultdict(set)
    taken: Counter[int] = Counter()
    references = store.reference_index(fingerprint).blocks()
    for candidate in find_candidates(queries, references, min_similarity=MIN_SIMILARITY):
        video_id, other = query_videos[candidate.query], candidate.video_id
        # Two new videos are compared once, as a pair of the later video.
        counts = other != video_id and (other not in new or other < video_id)
        if counts and taken[candidate.query] < MAX_CANDIDATES:
            taken[candidate.query] += 1
            pairs[video_id].add(other)
    return pairs


def _matches_of_pair(
    inspector: MatchInspector,
    pictures: StoredPictures,
    frames: FrameSequence,
    other_pictures: StoredPictures,
    other_frames: FrameSequence,
) -> list[CopyMatch]:
    video, other = pictures.video, other_pictures.video
    matches = []
    for alignment in align(frames, other_frames, min_similarity=MIN_SIMILARITY):
        score = match_score(
            alignment,
            query_seconds=video.duration_seconds,
            reference_seconds=other.duration_seconds,
            is_crop=False,
        )
        if score >= THRESHOLDS["normal"]:
            score *= inspector.weight(alignment, pictures, other_pictures)
        if score >= THRESHOLDS["normal"]:
            # Mirroring is not detected here: the pictures are not stored.
            spans = (alignment.query, alignment.reference)
            matches.append(CopyMatch(video.id, other.id, *spans, alignment.speed, score, False))
    return matches
