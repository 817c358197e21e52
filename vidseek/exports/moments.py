"""Moments to export: hits of a search, or the JSON that a search printed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from vidseek.core.errors import ExportError, Hint
from vidseek.core.types import SearchHit

MAX_MOMENTS = 100_000


@dataclass(frozen=True)
class Moment:
    """A span of a video."""

    path: Path
    start_seconds: float
    end_seconds: float
    score: float | None = None
    confidence: float | None = None
    thumbnail: Path | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, hit: SearchHit | Moment) -> Moment:
        """The moment of a hit."""
        if isinstance(hit, Moment):
            return hit
        span = hit.span
        return cls(
            hit.video.path,
            span.start_seconds,
            span.end_seconds,
            hit.score,
            hit.confidence,
            hit.thumbnail,
            hit.labels,
        )

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read a hit of ``vidseek search --json`` or of the HTTP API.

        Raises:
            ValueError: it is no such hit.
        """
        if not isinstance(value, dict) or not isinstance(value.get("path"), str):
            raise ValueError("has no path")
        if not value["path"] or "\0" in value["path"]:
            raise ValueError("has an impossible path")
        start, end = _number(value, "start_seconds"), _number(value, "end_seconds")
        if start is None or end is None or not 0 <= start <= end:
            raise ValueError("needs 0 <= start_seconds <= end_seconds")
        thumbnail, labels = value.get("thumbnail"), value.get("labels")
        return cls(
            Path(value["path"]),
            start,
            end,
            _number(value, "score"),
            _number(value, "confidence"),
            Path(thumbnail) if isinstance(thumbnail, str) and "\0" not in thumbnail else None,
            tuple(map(str, labels)) if isinstance(labels, list) else (),
        )

    def to_json(self) -> dict[str, Any]:
        """The moment as ``vidseek search --json`` writes it."""
        return {
            "path": str(self.path),
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "score": None if self.score is None else round(self.score, 6),
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "thumbnail": None if self.thumbnail is None else str(self.thumbnail),
            "labels": list(self.labels),
        }


@dataclass(frozen=True)
class ExportNote:
    """A moment that was left out or changed, and why."""

    path: Path
    reason: str


def parse_moments(text: str | bytes) -> list[Moment]:
    """Read the JSON of ``vidseek search --json``, ``similar --json`` or of the HTTP API.

    Raises:
        ExportError: it is something else, or has no hits.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(
            "the input is not the JSON of a search", hint=Hint("search_as_json")
        ) from error
    hits = document.get("hits") if isinstance(document, dict) else document
    if not isinstance(hits, list):
        raise ExportError(
            "the input has no list of hits: it is the JSON of something else",
            hint=Hint("search_as_json"),
        )
    if len(hits) > MAX_MOMENTS:
        raise ExportError(f"the input has {len(hits):,} hits; at most {MAX_MOMENTS:,} are exported")
    moments = []
    for number, hit in enumerate(hits, 1):
        try:
            moments.append(Moment.from_json(hit))
        except ValueError as error:
            raise ExportError(
                f"hit {number} of the input {error}", hint=Hint("search_as_json")
            ) from error
    return moments


def moments_of(hits: Iterable[SearchHit | Moment]) -> list[Moment]:
    """The moments of hits.

    Raises:
        ExportError: there is none.
    """
    moments = [Moment.of(hit) for hit in hits]
    if not moments:
        raise ExportError("there are no moments to export")
    return moments


def _number(value: dict[str, Any], name: str) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"has a {name} that is not a number")
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"has a {name} that is not finite")
    return number
