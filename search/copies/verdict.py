"""Verdicts: the kind of copy that an upload is, from the share of each video that is matched.

The thresholds strict, normal and loose are in ``vidseek.search.copies.scoring``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vidseek.core.types import CopyVerdict, Match, MatchKind, TimeSpan, Video
from vidseek.search.copies.boilerplate import FULL_COVERAGE, bridges, covered_share
from vidseek.search.copies.scoring import ScoredAlignment
from vidseek.search.copies.upload import Upload


def kind_of(query_share: float, reference_share: float) -> MatchKind:
    """The kind of a match, from the covered shares of the upload and the library video."""
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
    sure_score: float,
) -> CopyVerdict:
    """Make the verdict on an upload.

    Args:
        upload: the upload.
        matches: its matches.
        mirrored: whether each match is mirrored.
        videos: the matched videos, by id.
        sure_score: matches below this score do not count for the verdict.
    """
    listed = []
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
        query_share = covered_share([here for here, _ in shown], upload.duration_seconds)
        reference_share = covered_share([there for _, there in shown], video.duration_seconds)
        kind = kind_of(query_share, reference_share)
        listed += [
            Match(video, kind, match.query, match.reference, match.speed, flag, score)
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
    """The share of an upload that matches cover together, 0 to 1."""
    return covered_share([match.alignment.query for match in matches], upload.duration_seconds)
