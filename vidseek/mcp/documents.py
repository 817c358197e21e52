"""What the tools answer, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vidseek.catalog import VideoDetails
from vidseek.core.errors import Hint
from vidseek.core.types import (
    CopyVerdict,
    DuplicateGroup,
    SearchHit,
    SearchResult,
    SearchWarning,
    TimeSpan,
    Video,
)
from vidseek.figures import match_figures
from vidseek.indexer import IndexReport
from vidseek.web.roots import MediaRoots
from vidseek.web.text import path_text, safe_text

WordHint = Callable[[Hint | None], str | None]
"""Words a hint for the user; None if there is none."""

MAX_CLIPS = 200
"""Clips of a video that are listed."""
MAX_FAILURES = 50
"""Failed files of an index run that are listed."""


def span_document(span: TimeSpan) -> dict[str, float]:
    """The times of a part of a video."""
    return {
        "start_seconds": round(span.start_seconds, 3),
        "end_seconds": round(span.end_seconds, 3),
    }


def hits_document(
    result: SearchResult, shown: list[SearchHit], roots: MediaRoots, word_hint: WordHint
) -> dict[str, Any]:
    """A page of hits.

    Args:
        result: the page.
        shown: those of its hits that the client may see.
        roots: where copies must lie to be named.
        word_hint: words the hints of warnings.
    """
    return {
        "hits": [_hit(hit, roots) for hit in shown],
        "warnings": warning_documents(result.warnings, word_hint),
        "next_cursor": result.next_cursor,
    }


def warning_documents(
    warnings: Iterable[SearchWarning], word_hint: WordHint
) -> list[dict[str, Any]]:
    """What the client must know about an answer."""
    return [
        {
            "code": warning.code,
            "message": safe_text(warning.message),
            "hint": word_hint(warning.hint),
        }
        for warning in warnings
    ]


def _hit(hit: SearchHit, roots: MediaRoots) -> dict[str, Any]:
    return {
        "path": path_text(hit.video.path),
        **span_document(hit.span),
        "score": round(hit.score, 6),
        "confidence": None if hit.confidence is None else round(hit.confidence, 4),
        "copies": [
            {"path": path_text(copy.video.path), **span_document(copy.span)}
            for copy in hit.copies
            if roots.contain(copy.video.path)
        ],
        "steps": [span_document(step) for step in hit.steps],
        "labels": list(hit.labels),
    }


def verdict_document(verdict: CopyVerdict, roots: MediaRoots) -> dict[str, Any]:
    """The verdict on a file, with its matches inside the roots."""
    return {
        "verdict": verdict.kind,
        "compared_frames": verdict.compared_frames,
        "matches": [
            {"path": path_text(match.video.path), **match_figures(match)}
            for match in verdict.matches
            if roots.contain(match.video.path)
        ],
    }


def video_document(details: VideoDetails) -> dict[str, Any]:
    """What the library knows about a video."""
    video: Video = details.video
    return {
        "path": path_text(video.path),
        "state": video.state.value,
        "duration_seconds": round(video.duration_seconds, 3),
        "frame_rate": round(video.frame_rate, 3),
        "width": video.width,
        "height": video.height,
        "codec": video.codec,
        "size_bytes": video.size_bytes,
        "damaged": video.damaged,
        "failure": None if video.failure is None else safe_text(video.failure),
        "clip_count": len(details.clips),
        "clips": [span_document(clip.span) for clip in details.clips[:MAX_CLIPS]],
    }


def group_document(group: DuplicateGroup, roots: MediaRoots) -> dict[str, Any] | None:
    """A group of duplicates; None if fewer than two of them lie inside the roots."""
    members = [member for member in group.members if roots.contain(member.video.path)]
    if len(members) < 2:
        return None
    return {
        "kind": group.kind,
        "why": group.why,
        "members": [
            {
                "path": path_text(member.video.path),
                "keep": member.keep,
                "coverage": round(member.coverage, 4),
            }
            for member in members
        ],
    }


def report_document(report: IndexReport, word_hint: WordHint) -> dict[str, Any]:
    """The report of an index run."""
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "missing": report.missing,
        "failed_count": len(report.failed),
        "failed": [
            {
                "path": path_text(file.path),
                "reason": safe_text(file.reason),
                "hint": word_hint(file.hint),
            }
            for file in report.failed[:MAX_FAILURES]
        ],
        "video_seconds": round(report.video_seconds, 3),
        "seconds": round(report.seconds, 3),
        "interrupted": report.interrupted,
    }
