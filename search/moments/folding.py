"""Folding: a moment that several videos of the library show becomes a single hit.

    arrangement = Arrangement(context, options)
    for hit in arrangement.hits(moments, videos): ...

Without it, three encodes of a film take the first three places, and a blurred one may hide a sharp
one. The best copy is shown, by the rule of ``duplicates``; the hit keeps the score of its best copy
and lists where else the moment is.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from vidseek.core.types import Clip, MomentCopy, SearchOptions, TimeSpan, Video
from vidseek.search.copies.duplicate_groups import Priority, is_silenced, keep_priority
from vidseek.search.copies.sharpness import Sharpness
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.hits import RankedMoment
from vidseek.search.moments.known_copies import Place, is_mostly_in
from vidseek.search.moments.merging import Moment

MOMENTS_AT_ONCE = 16
"""Moments whose copies are read together."""
SAME_TIME_SECONDS = 0.5
"""Segments of copies end and begin this precisely: a step may begin so long before the step before
it has ended."""
MAX_COMPARED = 8
"""Copies of a moment, best first by the facts of their files, whose sharpness is compared."""


@dataclass(frozen=True)
class Arrangement:
    """Which moments of a query become hits, and which copy of a moment is shown."""

    context: SearchContext
    options: SearchOptions
    preferred: frozenset[int] = frozenset()
    """Videos that are shown although better copies exist."""

    def hits(self, moments: Iterable[Moment], videos: dict[int, Video]) -> Iterator[RankedMoment]:
        """Make hits, best first, one by one: those of fewer moments are the first of those of more.

        Args:
            moments: best first.
            videos: their videos by id.
        """
        if self.options.copies:
            hits: Iterable[RankedMoment] = (
                RankedMoment(moment, videos[moment.video_id]) for moment in moments
            )
        else:
            hits = _Folder(self.context, videos, self.preferred).fold(moments)
        return limit_per_video(hits, self.options.per_video)


def limit_per_video(hits: Iterable[RankedMoment], per_video: int | None) -> Iterator[RankedMoment]:
    """The best ``per_video`` hits of each video; None for all."""
    counts: dict[int, int] = defaultdict(int)
    for hit in hits:
        counts[hit.video.id] += 1
        if per_video is None or counts[hit.video.id] <= per_video:
            yield hit


class _Folder:
    """Folds the moments of a query."""

    def __init__(
        self, context: SearchContext, videos: dict[int, Video], preferred: frozenset[int]
    ) -> None:
        self._context = context
        self._videos = dict(videos)
        self._preferred = preferred
        self._known = context.known_copies
        self._sharpness = Sharpness(context.store)
        self._shown_clips: set[int] = set()
        """Of the hits so far: a copy may have other clips, so that two hits would overlap."""

    def fold(self, moments: Iterable[Moment]) -> Iterator[RankedMoment]:
        """The moments whose best clip no earlier hit shows, each as its best copy."""
        shown: dict[int, list[Place]] = defaultdict(list)
        self._known.read(self._videos)  # at once, which also serves the queries to come
        for batch in _batches(moments, MOMENTS_AT_ONCE):
            self._known.read({moment.video_id for moment in batch})
            self._videos |= self._context.videos({moment.video_id for moment in batch})
            for moment in batch:
                place = _place(moment)
                if any(earlier.shows(place) for earlier in shown[place.video_id]):
                    continue
                places = self._places(moment)
                for each in places:
                    shown[each.video_id].append(each)
                hit = self._best_copy(moment, places)
                if hit is not None:
                    self._shown_clips.update(clip.id for clip in hit.moment.clips)
                    yield hit

    def _best_copy(self, moment: Moment, places: Sequence[Place]) -> RankedMoment | None:
        original, *others = places
        others = self._searchable(others)
        videos = self._videos
        order = self._best_first([original, *others])
        chosen, shown = original, self._unseen(moment)
        for place in order:
            if place is original and shown is not None:
                break
            copy = None if place is original else self._copy(moment, place)
            if copy is not None:
                chosen, shown = place, copy
                break
        if shown is None:
            return None
        copies = tuple(
            MomentCopy(videos[place.video_id], place.span) for place in order if place is not chosen
        )
        return RankedMoment(shown, videos[chosen.video_id], copies)

    def _places(self, moment: Moment) -> list[Place]:
        """The moment's place, and those of its copies; of a sequence, those with every step."""
        if not moment.is_sequence:
            return self._known.places(_place(moment))
        original = _place(moment)
        others = [self._steps(moment, video_id) for video_id in self._partners(moment)]
        best = moment.clips.index(moment.best)
        return [original, *(_around(steps, best) for steps in others if steps)]

    def _partners(self, moment: Moment) -> list[int]:
        """Other videos that show the best step of a sequence."""
        found = self._known.places(Place(moment.video_id, moment.best.span, moment.best.span))
        return sorted({place.video_id for place in found} - {moment.video_id})

    def _steps(self, moment: Moment, video_id: int) -> list[Place]:
        """Where a video shows the steps of a sequence, in their order; empty if it does not."""
        steps: list[Place] = []
        for clip in moment.clips:
            found = self._known.places(Place(moment.video_id, clip.span, clip.span))
            start = steps[-1].span.end_seconds - SAME_TIME_SECONDS if steps else 0.0
            step = min(
                (
                    place
                    for place in found
                    if place.video_id == video_id and place.span.start_seconds >= start
                ),
                key=lambda place: place.span,
                default=None,
            )
            if step is None:
                return []
            steps.append(step)
        return steps

    def _copy(self, moment: Moment, place: Place) -> Moment | None:
        """The moment as a copy shows it; None if the copy cannot be shown instead."""
        clips = self._clips(place) if place.is_complete else []
        if not clips:
            return None
        if not moment.is_sequence:
            best = max(clips, key=lambda clip: clip.span.overlap(place.best))
            return self._unseen(Moment(tuple(clips), moment.score, best))
        chain = [
            max(clips, key=lambda clip: clip.span.overlap(step.span))
            for step in self._steps(moment, place.video_id)
        ]
        if any(
            later.span.start_seconds <= earlier.span.start_seconds
            for earlier, later in itertools.pairwise(chain)
        ):
            return None  # its clips are cut otherwise: two steps are in one of them
        best = chain[moment.clips.index(moment.best)]
        return self._unseen(Moment(tuple(chain), moment.score, best, is_sequence=True))

    def _unseen(self, moment: Moment) -> Moment | None:
        """The clips around the best one that no earlier hit shows; None if one shows the best.

        A sequence is shown whole, or not at all.
        """
        if moment.is_sequence:
            is_seen = any(clip.id in self._shown_clips for clip in moment.clips)
            return None if is_seen else moment
        at = moment.clips.index(moment.best)
        is_new = [clip.id not in self._shown_clips for clip in moment.clips]
        if not is_new[at]:
            return None
        before = itertools.takewhile(lambda row: is_new[row], range(at - 1, -1, -1))
        after = itertools.takewhile(lambda row: is_new[row], range(at + 1, len(is_new)))
        rows = sorted([at, *before, *after])
        return replace(moment, clips=tuple(moment.clips[row] for row in rows))

    def _best_first(self, places: list[Place]) -> list[Place]:
        if len(places) == 1:
            return places

        videos = [self._videos[place.video_id] for place in places]
        silent = {
            video.id for video in videos if any(is_silenced(video, other) for other in videos)
        }

        def ordered(soft: Collection[Place]) -> list[Place]:
            return sorted(
                places, key=lambda place: self._priority(place, soft, silent), reverse=True
            )

        compared = ordered(())[:MAX_COMPARED]
        soft = {
            place
            for place in compared
            if any(self._is_softer(place, other) for other in compared if other is not place)
        }
        return ordered(soft) if soft else ordered(())

    def _priority(
        self, place: Place, soft: Collection[Place], silent: Collection[int]
    ) -> tuple[bool, Priority]:
        video = self._videos[place.video_id]
        priority = keep_priority(
            video,
            is_intact=not video.damaged,
            is_sharp=place not in soft,
            keeps_sound=place.video_id not in silent,
        )
        return place.video_id in self._preferred, priority

    def _is_softer(self, place: Place, other: Place) -> bool:
        videos = self._videos
        if videos[place.video_id].content_hash == videos[other.video_id].content_hash:
            return False
        stretches = [(each.video_id, [each.best]) for each in (place, other)]
        return self._sharpness.is_softer(*stretches)

    def _searchable(self, places: Sequence[Place]) -> list[Place]:
        """The places that may answer the query, within the length of their videos."""
        if not places:
            return []
        passing = self._context.passing({place.video_id for place in places})
        self._videos = passing | self._videos
        places = [
            _inside(place, passing[place.video_id]) for place in places if place.video_id in passing
        ]
        if self._context.exclude is not None:
            places = [place for place in places if self._clips(place)]
        return places

    def _clips(self, place: Place) -> list[Clip]:
        """The clips that show a place; empty if one of them may not answer the query."""
        clips = self._context.store.videos.clips_within(place.video_id, place.span)
        clips = [clip for clip in clips if is_mostly_in(clip.span, place.span)]
        may_answer = self._context.may_answer([clip.id for clip in clips])
        return clips if all(clip.id in may_answer for clip in clips) else []


def _place(moment: Moment) -> Place:
    return Place(moment.video_id, moment.span, moment.best.span)


def _around(steps: Sequence[Place], best: int) -> Place:
    """The place of a sequence, from the places of its steps."""
    span = steps[0].span.union(steps[-1].span)
    is_complete = all(step.is_complete for step in steps)
    return Place(steps[best].video_id, span, steps[best].span, is_complete)


def _inside(place: Place, video: Video) -> Place:
    """The place cut to the length of its video, which a match may exceed by a frame."""

    def cut(span: TimeSpan) -> TimeSpan:
        end = max(video.duration_seconds, 0.0)
        return TimeSpan(
            min(max(span.start_seconds, 0.0), end), min(max(span.end_seconds, 0.0), end)
        )

    return replace(place, span=cut(place.span), best=cut(place.best))


def _batches(moments: Iterable[Moment], size: int) -> Iterator[list[Moment]]:
    batch: list[Moment] = []
    for moment in moments:
        batch.append(moment)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
