"""``/preview``: a short silent film of a part of a video."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from vidseek.core.job import Job
from vidseek.web.api.dependencies import ServiceOf, VideoPath
from vidseek.web.api.media import has_tag
from vidseek.web.previews import PreviewKey, preview_key
from vidseek.web.schemas import MAX_SECONDS, problem_answers

router = APIRouter(tags=["media"])

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
StartQuery = Annotated[
    float, Query(ge=0, le=MAX_SECONDS, allow_inf_nan=False, description="In seconds.")
]
EndQuery = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_SECONDS,
        allow_inf_nan=False,
        description="In seconds; a frame is shown if it is not after the start.",
    ),
]


@router.get(
    "/preview/{video_id}",
    response_class=Response,
    responses={
        200: {
            "description": "A film in H.264 or VP9.",
            "content": {"video/mp4": _BINARY, "video/webm": _BINARY},
        },
        304: {"description": "The client has it."},
        **problem_answers(404, 415),
    },
)
async def preview(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    start: StartQuery = 0.0,
    end: EndQuery = MAX_SECONDS,
) -> Response:
    """A short silent film of a part of a video: its first 12 seconds at most, 240 lines."""
    video = await service.quick.run(request, lambda _: service.shown_video(video_id))
    key: PreviewKey = preview_key(video, start, end)
    headers = {"ETag": f'"{key.stem}"', "Cache-Control": "private, max-age=3600"}
    if has_tag(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)

    def work(job: Job) -> tuple[str, bytes]:
        # It must be a file inside the roots now, not only when it was indexed.
        service.roots.open(video.path).close()
        return service.previews.get(video.path, key, job)

    kind, film = await service.heavy.run(request, work)
    return Response(film, media_type=kind, headers=headers)
