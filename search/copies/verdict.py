"""Verdicts: the kind of copy that an upload is, from the share of each video that is matched.

A verdict counts what is shown, not seconds (``information.py``): two streams that begin with the
same card of a minute are not copies of each other.

The thresholds strict, normal and loose are in ``vidseek.search.copies.scoring``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vidseek.core.types import CopyVerdict, Match, MatchKind, TimeSpan, Video
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.alignment.stretch import shows_still
from vidseek.search.copies.boilerplate import FULL_COVERAGE, bridges
from vidseek.search.copies.information import Information
from vidseek.search.copies.scoring import ScoredAlignment
from vidseek.search.copies.upload import Upload


def kind_of(query_share: float, reference_share: float, *, is_still: bool = False) -> MatchKind:
    """The kind of a match, from the covered shares of the upload and the library video.

    Args:
        query_share: covered share of the upload's information, 0 to 1.
        reference_share: covered share of the library video's information.
        is_still: whether all that they share is a single picture, which is little evidence.
    """
    if is_still:
        return "partial"
    if min(query_share, reference_share) >= FULL_COVERAGE:
        return "duplicate"
    if reference_share >= FULL_COVERAGE:
        return "contains"
    return "contained" if query_share >= FULL_COVERAGE else "partial"


_ORDER: tuple[MatchKind, ...] = ("exact", "duplicate", "contains", "contained", "partial", "new")


def make_verdict(
    upload: Upload,
    matches: Sequence[ScoredAlignment],
    mirrored: Sequence[bool],
    videos: dict[int, Video],
    references: Mapping[int, FrameSequence],
    sure_score: float,
) -> CopyVerdict:
    """Make the verdict on an upload.

    Args:
        upload: the upload.
        matches: its matches.
        mirrored: whether each match is mirrored.
        videos: the matched videos, by id.
        references: their descriptors, by id.
        sure_score: matches below this score do not count for the verdict.
    """
    listed = []
    information = Information.of_frames(upload.frames)
    for video_id, video in videos.items():
        of_video = [
            (match.alignment, flag, match.score)
            for match, flag in zip(matches, mirrored, strict=True)
            if match.video_id == video_id
        ]
        # Matches below the threshold must not change the kind of those above it.
        best = max(score for _, _, score in of_video)
        counted = [match for match in of_video if match[2] >= min(sure_score, best)]
        shown = [(match.query, match.reference) for match, _, _ in counted]
        shown += bridges(shown)
        here, there = [here for here, _ in shown], [there for _, there in shown]
        of_reference = Information.of_frames(references[video_id])
        kind = kind_of(
            information.share(here),
            of_reference.share(there),
            is_still=all(match.is_still for match, _, _ in counted)
            and (shows_still(upload.frames, here) or shows_still(references[video_id], there)),
        )
        listed += [
            Match(
                video,
                kind,
                match.query,
                match.reference,
                match.speed if match.is_speed_known else None,
                flag,
                score,
            )
            for match, flag, score in of_video
        ]
    listed.sort(
        key=lambda match: (match.score < sure_score, _ORDER.index(match.kind), -match.score)
    )
    is_copy = bool(listed) and listed[0].score >= sure_score
    return CopyVerdict(
        listed[0].kind if is_copy else "new",
        tuple(listed),
        upload.duration_seconds,
        len(upload.frames),
    )


def exact_verdict(videos: Iterable[Video]) -> CopyVerdict:
    """The verdict on an upload that is byte-identical to at least one video."""
    matches = []
    for video in videos:
        whole = TimeSpan(0.0, video.duration_seconds)
        matches.append(Match(video, "exact", whole, whole, 1.0, False, 1.0))
    return CopyVerdict("exact", tuple(matches), matches[0].query_span.end_seconds, 0)


def covered_by(upload: Upload, matches: Sequence[ScoredAlignment]) -> float:
    """The share of an upload's information that matches cover together, 0 to 1."""
    spans = [match.alignment.query for match in matches]
    return Information.of_frames(upload.frames).share(spans)
