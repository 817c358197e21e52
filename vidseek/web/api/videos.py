"""``/videos``: the catalog, clips, and the similarity of a video to a text."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from vidseek.core.types import CopyMatch, TimeSpan, Video, VideoState
from vidseek.web.api.dependencies import CursorQuery, LimitQuery, ServiceOf, VideoPath
from vidseek.web.cursors import Key, page_after
from vidseek.web.schemas import (
    MAX_TEXT,
    ClipPage,
    CopyEntry,
    CopyList,
    CurvePoint,
    SimilarityCurve,
    VideoEntry,
    VideoPage,
    problem_answers,
)
from vidseek.web.service import Service, clip_entry, segment, video_entry
from vidseek.web.text import path_text

router = APIRouter(prefix="/videos", tags=["videos"])

Order = Literal["path", "newest", "longest"]


@router.get("", responses=problem_answers())
async def list_videos(
    request: Request,
    service: ServiceOf,
    state: Annotated[
        Literal["indexed", "missing", "failed", "skipped"] | None,
        Query(description="Only videos in this state."),
    ] = None,
    order: Annotated[Order, Query(description="How to order them.")] = "path",
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> VideoPage:
    """List the videos of the library."""

    def read() -> VideoPage:
        states = None if state is None else [VideoState(state)]
        videos = service.shown(service.library.videos(states=states))
        videos.sort(key=_KEYS[order])
        page, following = page_after(videos, _KEYS[order], cursor=cursor, limit=limit)
        return VideoPage(
            videos=service.labelled_entries(page),
            total=len(videos),
            next_cursor=following,
        )

    return await service.quick.run(request, lambda _: read())


def _by_path(video: Video) -> Key:
    return path_text(video.path), video.id


def _by_age(video: Video) -> Key:
    return -video.modified_ns, video.id


def _by_length(video: Video) -> Key:
    return -video.duration_seconds, video.id


_KEYS = {"path": _by_path, "newest": _by_age, "longest": _by_length}


@router.get("/{video_id}", responses=problem_answers(404))
async def video(request: Request, service: ServiceOf, video_id: VideoPath) -> VideoEntry:
    """Look up one video."""

    def read() -> VideoEntry:
        (entry,) = service.labelled_entries([service.shown_video(video_id)])
        return entry

    return await service.quick.run(request, lambda _: read())


@router.get("/{video_id}/clips", responses=problem_answers(404))
async def clips(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> ClipPage:
    """List the clips of a video in order of time."""

    def read() -> ClipPage:
        details = service.shown_details(video_id)
        rows = list(zip(details.clips, details.thumbnails, strict=True))
        page, following = page_after(
            rows,
            lambda row: (row[0].span.start_seconds, row[0].id),
            cursor=cursor,
            limit=limit,
        )
        entries = [
            clip_entry(details.video, clip, has_thumbnail=thumbnail is not None)
            for clip, thumbnail in page
        ]
        return ClipPage(clips=entries, next_cursor=following)

    return await service.quick.run(request, lambda _: read())


@router.get("/{video_id}/similarity", responses=problem_answers(404))
async def similarity(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    text: Annotated[str, Query(min_length=1, max_length=MAX_TEXT, description="What to look for.")],
) -> SimilarityCurve:
    """How much each clip of a video looks like a text: a curve over time."""

    def read() -> SimilarityCurve:
        curve = service.library.similarity_curve(service.shown_video(video_id).id, text)
        points = [
            CurvePoint(
                start_seconds=round(span.start_seconds, 3),
                end_seconds=round(span.end_seconds, 3),
                score=round(score, 5),
            )
            for span, score in curve
        ]
        return SimilarityCurve(video_id=video_id, text=text, points=points)

    return await service.quick.run(request, lambda _: read())


@router.get("/{video_id}/copies", responses=problem_answers(404))
async def copies(request: Request, service: ServiceOf, video_id: VideoPath) -> CopyList:
    """List the videos that share segments with a video, and the segments."""
    return await service.quick.run(request, lambda _: copies_of(service, video_id))


def _whole(match: CopyMatch, video: Video) -> CopyMatch:
    """A match of equal files, to their end: segments end with the last frame that was compared."""
    span = TimeSpan(0.0, max(video.duration_seconds, 0.0))
    return replace(match, span=span, other_span=span)


def copies_of(service: Service, video_id: int) -> CopyList:
    """The copies that the client may see, those that share most first."""
    video = service.shown_video(video_id)
    entries: dict[int, CopyEntry] = {}
    twins: set[int] = set()  # other names of the same file
    for match in service.library.shared_segments([video.id]):
        other_id = match.other_id if match.video_id == video.id else match.video_id
        if other_id not in entries:
            others = service.shown([service.library.stored_video(other_id)])
            if not others:
                continue
            entries[other_id] = CopyEntry(video=video_entry(others[0]), segments=[])
            if others[0].content_hash == video.content_hash:
                twins.add(other_id)
        entry = entries[other_id]
        if entry.video.id in twins:
            entry.segments = [segment(_whole(match, video))]
        else:
            entry.segments.append(segment(match))

    def shared_seconds(entry: CopyEntry) -> float:
        return sum(each.end_seconds - each.start_seconds for each in entry.segments)

    return CopyList(copies=sorted(entries.values(), key=shared_seconds, reverse=True))
