"""``/videos/{id}/explain``: why a moment matches a text, as a document and as a picture."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from vidseek.core.errors import QueryError
from vidseek.core.job import Job
from vidseek.core.types import Explanation, TimeSpan
from vidseek.exports.explanation import explanation_document, explanation_picture
from vidseek.web.api.dependencies import PartQuery, ServiceOf, VideoPath
from vidseek.web.schemas import MAX_SECONDS, MAX_TEXT, problem_answers
from vidseek.web.service import Service
from vidseek.web.text import path_text
from vidseek.web.understanding import ExplainAnswer

router = APIRouter(tags=["understanding"])

_PICTURE: dict[str, Any] = {"image/png": {"schema": {"type": "string", "format": "binary"}}}
SearchedText = Annotated[
    str, Query(min_length=1, max_length=MAX_TEXT, description="What was looked for.")
]


async def explained_time(
    part: PartQuery,
    at: Annotated[
        float | None,
        Query(
            ge=0,
            le=MAX_SECONDS,
            allow_inf_nan=False,
            description="Time of the frame, in seconds. Give this, or start and end, or neither.",
        ),
    ] = None,
) -> float | TimeSpan | None:
    """Seconds of a frame (``at``), or a part (``start`` and ``end``) whose best frame is meant.

    Raises:
        QueryError: both.
    """
    if part is not None and at is not None:
        raise QueryError("give at, or start and a later end, or none of them")
    return at if part is None else part


When = Annotated[float | TimeSpan | None, Depends(explained_time)]


@router.get("/videos/{video_id}/explain", responses=problem_answers(404, 413, 415))
async def explain(
    request: Request, service: ServiceOf, video_id: VideoPath, text: SearchedText, when: When
) -> ExplainAnswer:
    """Say why a moment matches a text: where each word looks, and which frames weigh how much.

    Without a time, the best frame of the video is explained.
    """

    def work(job: Job) -> ExplainAnswer:
        found = explained(service, video_id, text, when, job)
        document = {**explanation_document(found), "path": path_text(found.video.path)}
        warnings = [service.warning(each) for each in found.warnings]
        return ExplainAnswer(video_id=video_id, **document, warnings=warnings)

    return await service.heavy.run(request, work)


@router.get(
    "/videos/{video_id}/explain.png",
    response_class=Response,
    responses={
        200: {"description": "Heat maps over the frame, and charts.", "content": _PICTURE},
        **problem_answers(404, 413, 415),
    },
)
async def explain_picture(
    request: Request, service: ServiceOf, video_id: VideoPath, text: SearchedText, when: When
) -> Response:
    """The same as a picture: heat maps over the frame, the scores of clips, weights of frames."""

    def work(job: Job) -> bytes:
        found = explained(service, video_id, text, when, job)
        job.check()
        return explanation_picture(found)

    return Response(await service.heavy.run(request, work), media_type="image/png")


def explained(
    service: Service, video_id: int, text: str, when: float | TimeSpan | None, job: Job
) -> Explanation:
    """The explanation of a video that the client may see."""
    video = service.shown_video(video_id)
    # It must be a file inside the roots now, not only when it was indexed.
    service.roots.open(video.path).close()
    return service.library.explain(text, video.path, when, job=job)
