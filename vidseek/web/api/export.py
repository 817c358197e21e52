"""``/export``: a list of moments as a file for other programs."""

from __future__ import annotations

import math
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field, StringConstraints, model_validator
from starlette.responses import Response

from vidseek.exports import FORMATS, Moment, export_hits
from vidseek.exports.formats import Exported
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.schemas import RequestDocument, Seconds, VideoId, problem_answers
from vidseek.web.service import Service

router = APIRouter(tags=["export"])

MAX_MOMENTS = 2000

FormatName = Literal["json", "csv", "m3u", "html", "otio", "edl", "fcpxml", "fcp7"]


class ExportMoment(RequestDocument):
    """A span of a video of the library."""

    video_id: VideoId
    start_seconds: Seconds
    end_seconds: Seconds

    @model_validator(mode="after")
    def _check(self) -> ExportMoment:
        if not self.start_seconds < self.end_seconds:
            raise ValueError("end_seconds must be after start_seconds")
        return self


class ExportRequest(RequestDocument):
    """Moments in the order of the export, and the format."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "format": "edl",
                    "title": "Dogs",
                    "handles_seconds": 1,
                    "moments": [{"video_id": 7, "start_seconds": 12, "end_seconds": 18.4}],
                }
            ]
        },
    )
    format: FormatName
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "vidseek"
    handles_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = Field(
        default=0.0, description="Seconds to add before and after each moment."
    )
    moments: Annotated[list[ExportMoment], Field(min_length=1, max_length=MAX_MOMENTS)]


@router.post(
    "/export",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
        **problem_answers(404),
    },
)
async def export(request: Request, service: ServiceOf, wanted: ExportRequest) -> Response:
    """Write moments as a table, a playlist, an edit list or a page."""
    exported = await service.heavy.run(request, lambda _: export_moments(service, wanted))
    chosen = FORMATS[wanted.format]
    name = quote(wanted.title.replace("/", "_") + chosen.suffix, safe="", errors="replace")
    return Response(
        exported.content,
        # Never a page of this site.
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "X-Vidseek-Left-Out": str(len(exported.notes)),
        },
    )


def export_moments(service: Service, wanted: ExportRequest) -> Exported:
    """Write moments of videos that the client may see."""
    videos = {
        each: service.shown_video(each) for each in {item.video_id for item in wanted.moments}
    }
    moments = []
    for item in wanted.moments:
        video = videos[item.video_id]
        end = min(item.end_seconds, video.duration_seconds or math.inf)
        moments.append(Moment(video.path, min(item.start_seconds, end), end))
    return export_hits(
        moments, wanted.format, title=wanted.title, handles_seconds=wanted.handles_seconds
    )
