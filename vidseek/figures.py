"""Figures of matches as every front door writes them: in JSON of the command, HTTP and MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidseek.core.types import Match


def match_figures(match: Match) -> dict[str, Any]:
    """The members of a match, without those that name its video."""
    return {
        "kind": match.kind,
        "score": round(match.score, 4),
        "query_start_seconds": round(match.query_span.start_seconds, 3),
        "query_end_seconds": round(match.query_span.end_seconds, 3),
        "library_start_seconds": round(match.library_span.start_seconds, 3),
        "library_end_seconds": round(match.library_span.end_seconds, 3),
        "speed": None if match.speed is None else round(match.speed, 3),
        "mirrored": match.mirrored,
    }
