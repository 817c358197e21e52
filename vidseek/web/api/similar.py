"""``/similar``: moments that look like a part of a video, or like a file that is sent."""

from __future__ import annotations

from fastapi import APIRouter, Request

from vidseek.core.job import Job
from vidseek.core.types import TimeSpan
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.schemas import SearchAnswer, SimilarRequest, problem_answers
from vidseek.web.service import Service

router = APIRouter(tags=["search"])


@router.post("/similar", responses=problem_answers(404, 415))
async def similar(request: Request, query: SimilarRequest, service: ServiceOf) -> SearchAnswer:
    """Find moments that look like a video of the library or a part of it, best first."""
    return await service.quick.run(request, lambda job: similar_to_video(service, query, job))


def similar_to_video(service: Service, query: SimilarRequest, job: Job) -> SearchAnswer:
    """A page of hits that the client may see."""
    video = service.shown_video(query.video_id)
    # Reads it to see that it is a file inside the roots; an unchanged video is not decoded.
    service.roots.open(video.path).close()
    span = None
    if query.start_seconds is not None and query.end_seconds is not None:
        span = TimeSpan(query.start_seconds, max(query.start_seconds, query.end_seconds))
    result = service.library.similar(
        video.path,
        query.k,
        span=span,
        where=query.where.to_filter(),
        per_video=query.per_video,
        copies=query.copies,
        exclude_itself=query.exclude_itself,
        cursor=query.cursor,
        job=job,
    )
    return service.answer(result)
