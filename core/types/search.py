"""Search filters and hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import overload

from vidseek.core import arguments
from vidseek.core.errors import Hint
from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video


@dataclass(frozen=True)
class VideoFilter:
    """Which videos may answer. A field that is None does not restrict."""

    path_glob: str | None = None
    """Shell pattern against the absolute path, without regard to case: ``*`` matches anything, also
    ``/``, ``?`` a character and ``[...]`` one of a set. Without a wildcard, a file, or a folder
    with everything below it."""
    min_duration_seconds: float | None = None
    """Videos at least this long."""
    max_duration_seconds: float | None = None
    """Videos at most this long."""
    min_height: int | None = None
    """Videos at least this high: display height in pixels."""
    after: datetime | None = None
    """Modified at this time or later; naive times are local."""
    before: datetime | None = None
    """Modified before this time."""
    labels: tuple[str, ...] = ()
    """Videos of which a clip has each of these labels; see ``Library.labels``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", arguments.texts(self.labels, "labels"))
        if self.path_glob is not None:
            arguments.text(self.path_glob, "path_glob")
        for name in ("min_duration_seconds", "max_duration_seconds"):
            if (seconds := getattr(self, name)) is not None:
                object.__setattr__(self, name, arguments.number(seconds, name))
        if self.min_height is not None:
            height = arguments.whole_number(self.min_height, "min_height")
            object.__setattr__(self, "min_height", height)
        for name in ("after", "before"):
            if (moment := getattr(self, name)) is not None:
                arguments.instance(moment, datetime, name)

    @property
    def is_empty(self) -> bool:
        """True if every video passes."""
        return self == VideoFilter()


@dataclass(frozen=True)
class FrameMatch:
    """A sampled frame of a hit and how well it matched."""

    seconds: float
    score: float


@dataclass(frozen=True)
class MomentCopy:
    """Where a copy shows the moment of a hit."""

    video: Video
    span: TimeSpan


@dataclass(frozen=True)
class SearchHit:
    """A moment that answers a query."""

    video: Video
    span: TimeSpan
    score: float
    """Comparable within one query only. The best score of a moment's copies."""
    confidence: float | None
    """Probability that the moment matches, 0 to 1; None where the encoder is not calibrated."""
    frames: tuple[FrameMatch, ...] = ()
    thumbnail: Path | None = None
    """JPEG of the best frame; None if the file no longer exists."""
    copies: tuple[MomentCopy, ...] = ()
    """Where else the library shows the moment, best copy first; empty if copies are not folded."""
    steps: tuple[TimeSpan, ...] = ()
    """Where each step of a sequence is, in order; empty for other queries."""
    labels: tuple[str, ...] = ()
    """The learned labels of its clips, by name; see ``Library.labels``."""


DEFAULT_LIKE_WEIGHT = 0.5
"""Of a picture beside a text. Cosines of pictures with each other vary more than those of texts
with pictures: with equal weights the text would hardly count."""
MAX_HITS = 1 << 31
"""Larger numbers of hits mean this: no library has as many moments."""


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What every kind of query has in common."""

    k: int = 10
    """Hits per page; fewer come only where the library has fewer moments."""
    where: VideoFilter = VideoFilter()
    """Which videos may answer."""
    per_video: int | None = None
    """Hits of one video at most."""
    copies: bool = False
    """True lists every copy of a moment as a hit of its own; by default they are one hit."""
    cursor: str | None = None
    """``SearchResult.next_cursor`` of the page before; None for the first page."""

    def __post_init__(self) -> None:
        k = arguments.whole_number(self.k, "k")
        object.__setattr__(self, "k", min(k, MAX_HITS))
        arguments.instance(self.where, VideoFilter, "where")
        if self.per_video is not None:
            per_video = arguments.whole_number(self.per_video, "per_video")
            object.__setattr__(self, "per_video", min(per_video, MAX_HITS))
        arguments.flag(self.copies, "copies")
        if self.cursor is not None:
            arguments.text(self.cursor, "cursor")


@dataclass(frozen=True, kw_only=True)
class QueryTerms:
    """What a text query is combined with."""

    then: tuple[str, ...] = ()
    """Texts of the steps that follow in the same video, in order."""
    within_seconds: float | None = None
    """Each step begins at most this long after the step before ends; None for any time after."""
    like: Path | None = None
    """A picture or video that moments should resemble, too."""
    like_weight: float = DEFAULT_LIKE_WEIGHT
    """Weight of ``like``; the text has weight 1."""
    not_like: Path | None = None
    """A picture or video that moments should not resemble."""
    not_like_span: TimeSpan | None = None
    """The part of the video ``not_like``; None for all of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "then", arguments.texts(self.then, "then"))
        if self.within_seconds is not None:
            within = arguments.number(self.within_seconds, "within_seconds")
            object.__setattr__(self, "within_seconds", within)
        for name in ("like", "not_like"):
            if (file := getattr(self, name)) is not None:
                object.__setattr__(self, name, arguments.path(file, name))
        if self.not_like_span is not None:
            arguments.instance(self.not_like_span, TimeSpan, "not_like_span")
        weight = arguments.number(self.like_weight, "like_weight")
        object.__setattr__(self, "like_weight", weight)


@dataclass(frozen=True)
class SearchWarning:
    """Something the reader of a result should know."""

    code: str
    """Stable identifier:

    - ``empty_library``: the library has no searchable video yet;
    - ``partial_model``: the model has not encoded every video, and the others are not found;
    - ``query_truncated``: the text is too long, and only its beginning is used;
    - ``english_only``: the model understands English only, and the text is in another script;
    - ``calibration_outdated``: the library was calibrated with another revision of the model;
    - ``no_sequence``: no video has as many clips as the query has steps, close enough together;
    - ``library_changed``: since the first page; hits may be missing or repeated.
    """
    message: str
    hint: Hint | None = None
    """The next step, worded by the front door."""


@dataclass(frozen=True)
class SearchResult(Sequence[SearchHit]):
    """A page of hits, best first. Iterating, indexing and ``len`` go to the hits."""

    hits: tuple[SearchHit, ...]
    warnings: tuple[SearchWarning, ...] = ()
    next_cursor: str | None = None
    """Pass it back as ``cursor`` for the next page; None after the last."""

    @overload
    def __getitem__(self, index: int) -> SearchHit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SearchHit, ...]: ...
    def __getitem__(self, index: int | slice) -> SearchHit | tuple[SearchHit, ...]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)
