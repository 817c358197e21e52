"""Protocol of a copy detection system under test: it indexes a library and answers queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from benchmarks.copies.manifest import Entry
from vidseek.core.types import TimeSpan

Plan = Literal["fast", "dense"]
"""How densely a system looks at the library's videos."""
PLANS: tuple[Plan, ...] = get_args(Plan)


@dataclass(frozen=True)
class Found:
    """A stretch of a query that a system takes for a stretch of a library video."""

    source: str
    """Name of the library video's source."""
    score: float
    query_start_seconds: float
    query_end_seconds: float
    library_start_seconds: float
    library_end_seconds: float
    speed: float = 1.0
    """Library seconds a second of the query; negative where the query plays backwards."""
    mirrored: bool = False


def found(
    source: str,
    score: float,
    query: TimeSpan,
    library: TimeSpan,
    *,
    speed: float = 1.0,
    mirrored: bool = False,
) -> Found:
    """A segment in milliseconds, to keep its record short."""
    return Found(
        source,
        round(float(score), 6),
        round(query.start_seconds, 3),
        round(query.end_seconds, 3),
        round(library.start_seconds, 3),
        round(library.end_seconds, 3),
        round(float(speed), 4),
        bool(mirrored),
    )


class System(Protocol):
    """A copy detection system."""

    @property
    def name(self) -> str:
        """Part of the name of the file with its answers."""

    @property
    def version(self) -> str:
        """Everything that answers depend on: answers of different versions are not mixed."""

    def index(self, entries: Sequence[Entry]) -> None:
        """Index the library's videos; videos indexed by an earlier run are not read again.

        Args:
            entries: those with the role ``library``.
        """

    def ask(self, path: Path) -> list[Found]:
        """What a video shows of the library's, however little is sure.

        Raises:
            VideoError: it cannot be read.
        """
