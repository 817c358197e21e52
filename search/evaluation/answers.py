"""What a query can find, and which captions are right about it.

A video is one candidate. Where captions describe parts of a video, each of these parts is a
candidate, and the rest of the video another. A copy of the right video is right too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionedClip, CaptionProblem, Captions
from vidseek.core.types import Clip, TimeSpan, Video, VideoState
from vidseek.search.copies.duplicate_groups import duplicate_groups
from vidseek.storage.store import LibraryStore

Candidate = tuple[int, TimeSpan | None]
"""Id of a video, and the captioned part of it; None for the whole video, or its rest."""


@dataclass(frozen=True)
class Target:
    """A captioned video or part in the library."""

    video_id: int
    candidate: Candidate
    clips: tuple[int, ...]
    """Ids of its clips."""


@dataclass(frozen=True)
class Question:
    """A caption and what it describes."""

    text: str
    video_id: int
    """The first video that it describes."""
    right: frozenset[Candidate]


@dataclass(frozen=True)
class Answers:
    """The captions that can be asked, and their right answers."""

    targets: tuple[Target, ...]
    questions: tuple[Question, ...]
    """Each distinct caption once."""
    parts: dict[int, dict[int, tuple[Candidate, ...]]]
    """For a video with captioned parts, the candidates of each clip, by id."""
    problems: tuple[CaptionProblem, ...]
    merged_captions: int
    """Captions that were not asked again, as another line has them for another video."""

    def candidates_of(self, clip: Clip) -> tuple[Candidate, ...]:
        """The candidates that a clip is part of; several where captioned parts overlap."""
        parts = self.parts.get(clip.video_id)
        return ((clip.video_id, None),) if parts is None else parts[clip.id]

    def count(self, videos: int) -> int:
        """Number of candidates among a number of videos."""
        of_parts = sum(len(_all_of(clips)) for clips in self.parts.values())
        return videos - len(self.parts) + of_parts


def find_answers(store: LibraryStore, captions: Captions, encoded: NDArray[np.int64]) -> Answers:
    """Match captions with the videos of a library.

    Args:
        store: the library.
        captions: what was read from the file.
        encoded: ids of the clips that can be searched, ascending.
    """
    known = {video.path.resolve(): video for video in store.videos.select()}
    clips_of: dict[int, list[Clip]] = {}
    matched: list[tuple[CaptionedClip, int]] = []
    problems = list(captions.problems)
    for captioned in captions.clips:
        video = known.get(captioned.path)
        clips = _searchable_clips(store, video, encoded)
        reason = _problem(captioned, video, clips)
        if video is not None and reason is None:
            clips_of[video.id] = clips
            matched.append((captioned, video.id))
        else:
            problems += [CaptionProblem(line, str(reason)) for line in captioned.lines]
    parts = _parts(matched, clips_of)
    questions = _questions(matched, parts, _copies(store))
    return Answers(
        tuple(_target(captioned, video_id, clips_of, parts) for captioned, video_id in matched),
        questions,
        parts,
        tuple(sorted(problems, key=lambda problem: problem.line)),
        sum(len(captioned.captions) for captioned, _ in matched) - len(questions),
    )


_Parts = dict[int, dict[int, tuple[Candidate, ...]]]


def _parts(matched: Sequence[tuple[CaptionedClip, int]], clips_of: dict[int, list[Clip]]) -> _Parts:
    spans: dict[int, list[TimeSpan]] = defaultdict(list)
    for captioned, video_id in matched:
        if captioned.span is not None:
            spans[video_id].append(captioned.span)
    return {video_id: _divide(clips_of[video_id], spans[video_id]) for video_id in spans}


def _target(
    captioned: CaptionedClip, video_id: int, clips_of: dict[int, list[Clip]], parts: _Parts
) -> Target:
    candidate = (video_id, captioned.span)
    ids = [
        clip.id
        for clip in clips_of[video_id]
        if captioned.span is None or candidate in parts[video_id][clip.id]
    ]
    return Target(video_id, candidate, tuple(ids))


def _questions(
    matched: Sequence[tuple[CaptionedClip, int]], parts: _Parts, copies: dict[int, set[int]]
) -> tuple[Question, ...]:
    questions: dict[str, Question] = {}
    for captioned, video_id in matched:
        right = {(video_id, captioned.span)}
        for same in (video_id, *copies.get(video_id, ())):
            right |= _described(same, captioned.span, parts, is_copy=same != video_id)
        for caption in captioned.captions:
            # The same caption of two videos is one question with two right answers.
            first = questions.get(caption.casefold(), Question(caption, video_id, frozenset()))
            questions[caption.casefold()] = replace(first, right=first.right | right)
    return tuple(questions.values())


def _described(
    video_id: int, span: TimeSpan | None, parts: _Parts, *, is_copy: bool
) -> set[Candidate]:
    """The candidates of a video that a caption of it, or of a video it is a copy of, describes."""
    if video_id not in parts:
        return {(video_id, None)}
    candidates = _all_of(parts[video_id])
    if span is None:
        return candidates
    # The parts of a copy may be captioned with slightly different times.
    return {
        each for each in candidates if is_copy and each[1] is not None and each[1].overlap(span) > 0
    }


def _all_of(clips: dict[int, tuple[Candidate, ...]]) -> set[Candidate]:
    return {candidate for candidates in clips.values() for candidate in candidates}


def _searchable_clips(
    store: LibraryStore, video: Video | None, encoded: NDArray[np.int64]
) -> list[Clip]:
    if video is None or video.state is not VideoState.INDEXED or len(encoded) == 0:
        return []
    clips = store.videos.clips(video.id)
    ids = np.array([clip.id for clip in clips], np.int64)
    places = np.minimum(np.searchsorted(encoded, ids), len(encoded) - 1)
    return [clip for clip, place in zip(clips, places, strict=True) if encoded[place] == clip.id]


def _problem(captioned: CaptionedClip, video: Video | None, clips: Sequence[Clip]) -> str | None:
    """Why a captioned clip cannot be searched; None if it can."""
    if video is None:
        return f"{captioned.path} is not in the library"
    if video.state is not VideoState.INDEXED:
        return f"{captioned.path} is {video.state.value} in the library"
    if not clips:
        return f"{captioned.path} is not encoded with this model"
    span = captioned.span
    if span is not None and all(clip.span.overlap(span) <= 0 for clip in clips):
        return f"{captioned.path} is not indexed at {span.start_seconds:g}-{span.end_seconds:g} s"
    return None


def _divide(clips: list[Clip], spans: list[TimeSpan]) -> dict[int, tuple[Candidate, ...]]:
    """Assign each clip of a video to the captioned parts that its middle lies in, or to the rest.

    A part without the middle of any clip takes the clip that it overlaps most.
    """
    chosen: dict[int, list[Candidate]] = {clip.id: [] for clip in clips}
    for span in spans:
        within = [clip for clip in clips if _middle_is_in(clip, span)]
        for clip in within or [max(clips, key=lambda clip: clip.span.overlap(span))]:
            chosen[clip.id].append((clip.video_id, span))
    return {clip.id: tuple(chosen[clip.id]) or ((clip.video_id, None),) for clip in clips}


def _middle_is_in(clip: Clip, span: TimeSpan) -> bool:
    middle = (clip.span.start_seconds + clip.span.end_seconds) / 2
    return span.start_seconds <= middle < span.end_seconds


def _copies(store: LibraryStore) -> dict[int, set[int]]:
    """Ids of the known copies of each video that has any."""
    copies: dict[int, set[int]] = defaultdict(set)
    for group in duplicate_groups(store):
        if group.kind != "contains":
            ids = {member.video.id for member in group.members}
            for video_id in ids:
                copies[video_id] |= ids - {video_id}
    return copies
