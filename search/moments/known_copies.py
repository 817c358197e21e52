"""Where else a library shows a moment: in copies that it knows of.

    known = KnownCopies(store)
    known.read([moment.video_id])
    known.places(Place(moment.video_id, moment.span, best_clip.span))

Copies are known from two sources: equal content hashes, and the segments that ``copy_matches``
stores for every pair of videos. Nothing is compared here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from vidseek.core.types import CopyMatch, TimeSpan
from vidseek.storage.store import LibraryStore

MAX_PLACES = 200
"""An ident may be in every film of a library; a hit lists no more of them."""
VIDEOS_AT_ONCE = 10_000
MIN_SHARED = 0.5
"""A clip is shown elsewhere if at least this share of it is."""
MIN_COMPLETE = 0.8
"""A copy shows a moment completely from this share on: a stretch that is dark or faded does not
match, although it is there."""


@dataclass(frozen=True)
class Place:
    """A stretch of a video that shows a moment."""

    video_id: int
    span: TimeSpan
    """The moment, or what this video has of it."""
    best: TimeSpan
    """The clip of the moment that matches best."""
    is_complete: bool = True
    """Whether the video has nearly all of the moment."""

    def shows(self, other: Place) -> bool:
        """Whether the best clip of another place is in this place."""
        return self.video_id == other.video_id and is_mostly_in(other.best, self.span)


@dataclass(frozen=True)
class _Link:
    """A segment of a video that another video also shows."""

    span: TimeSpan
    other_id: int
    other_span: TimeSpan
    is_reversed: bool


class KnownCopies:
    """The copies of some videos, read as they are needed."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store
        self._links: dict[int, list[_Link]] = {}
        self._twins: dict[int, tuple[int, ...]] = {}

    def read(self, video_ids: Collection[int]) -> None:
        """Read what is known about the copies of videos, in two queries for thousands of them."""
        unread = sorted(set(video_ids).difference(self._links))
        for start in range(0, len(unread), VIDEOS_AT_ONCE):
            self._read(unread[start : start + VIDEOS_AT_ONCE])

    def _read(self, unread: Sequence[int]) -> None:
        links: dict[int, list[_Link]] = defaultdict(list)
        for match in self._store.copy_matches.read(of_videos=unread):
            links[match.video_id].append(_link(match))
            links[match.other_id].append(_link(_swapped(match)))
        twins = self._store.videos.with_same_content(unread)
        for video_id in unread:
            self._twins[video_id] = twins.get(video_id, ())
            self._links[video_id] = links[video_id]  # last: it tells other threads that both are

    def partners(self, video_id: int) -> set[int]:
        """Videos that show a part of a video or all of it; the video was read before."""
        linked = {link.other_id for link in self._links[video_id]}
        return linked | set(self._twins[video_id])

    def places(self, place: Place) -> list[Place]:
        """The place and every other place that shows its best clip, of copies of copies too."""
        found = [place]
        waiting = [place]
        while waiting and len(found) < MAX_PLACES:
            self.read([each.video_id for each in waiting])
            reached = [other for each in waiting for other in self._next(each)]
            waiting = []
            for other in reached:
                if len(found) == MAX_PLACES:
                    return found
                if not any(known.shows(other) for known in found):
                    found.append(other)
                    waiting.append(other)
        return found

    def _next(self, place: Place) -> list[Place]:
        twins = [replace(place, video_id=video_id) for video_id in self._twins[place.video_id]]
        others = (_across(link, place) for link in self._links[place.video_id])
        return twins + [other for other in others if other is not None]


def is_mostly_in(clip: TimeSpan, span: TimeSpan) -> bool:
    """Whether most of a clip, or of the span if that is shorter, lies in the other."""
    shorter = min(clip.duration_seconds, span.duration_seconds)
    if shorter <= 0:  # a video of a single frame
        return clip.start_seconds <= span.end_seconds and span.start_seconds <= clip.end_seconds
    return clip.overlap(span) >= MIN_SHARED * shorter


def _across(link: _Link, place: Place) -> Place | None:
    """The other end of a link, if the link has enough of the place's best clip."""
    shared = place.best.overlap(link.span)
    part = _common(place.span, link.span)
    if part is None or shared <= 0 or shared < MIN_SHARED * place.best.duration_seconds:
        return None
    best = _common(place.best, link.span)
    assert best is not None
    complete = part.duration_seconds >= MIN_COMPLETE * place.span.duration_seconds
    return Place(
        link.other_id,
        _mapped(part, link),
        _mapped(best, link),
        is_complete=place.is_complete and complete,
    )


def _common(one: TimeSpan, other: TimeSpan) -> TimeSpan | None:
    start = max(one.start_seconds, other.start_seconds)
    end = min(one.end_seconds, other.end_seconds)
    return TimeSpan(start, end) if start <= end else None


def _mapped(span: TimeSpan, link: _Link) -> TimeSpan:
    """A part of a link's span, in the time of the other video."""
    here, there = link.span, link.other_span
    rate = there.duration_seconds / max(here.duration_seconds, 1e-9)
    before = (span.start_seconds - here.start_seconds) * rate
    length = span.duration_seconds * rate
    start = (
        there.end_seconds - before - length if link.is_reversed else there.start_seconds + before
    )
    return TimeSpan(start, start + length)


def _link(match: CopyMatch) -> _Link:
    return _Link(match.span, match.other_id, match.other_span, match.speed < 0)


def _swapped(match: CopyMatch) -> CopyMatch:
    return replace(
        match,
        video_id=match.other_id,
        other_id=match.video_id,
        span=match.other_span,
        other_span=match.span,
    )
