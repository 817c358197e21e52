"""``/similar``: moments that look like a part of a video, or like a file that is sent."""

from __future__ import annotations

import json
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from vidseek.core.errors import DecodeLimitError, JobCancelledError, VideoError
from vidseek.core.job import Job
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.problems import ProblemError
from vidseek.web.schemas import SearchAnswer, SimilarRequest, UploadQuery, problem_answers
from vidseek.web.service import Service
from vidseek.web.uploads import ReceivedUpload, is_form, receive_upload

router = APIRouter(tags=["search"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/SimilarRequest"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "k": {"type": "integer", "minimum": 1, "maximum": 200},
                        "per_video": {"type": "integer", "minimum": 1, "maximum": 10_000},
                        "copies": {"type": "boolean"},
                        "where": {
                            "type": "string",
                            "description": "The member `where` of a search, as JSON.",
                        },
                    },
                }
            },
        },
    }
}


@router.post("/similar", openapi_extra=_BODY, responses=problem_answers(404, 415, 507))
async def similar(request: Request, service: ServiceOf) -> SearchAnswer:
    """Find moments that look like a picture or video that is sent, or a part of a library video.

    A file is sent as `multipart/form-data`, and answered with one page; it is not kept.
    """
    if is_form(request):
        async with receive_upload(request, service.uploads) as upload:
            query = _upload_query(upload.fields)
            return await service.heavy.run(
                request, lambda job: similar_to_upload(service, upload, query, job)
            )
    wanted = await _json_query(request, service.settings.request_limits.max_body_bytes)
    return await service.quick.run(request, lambda job: similar_to_video(service, wanted, job))


async def _json_query(request: Request, max_bytes: int) -> SimilarRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "wrong_media_type", "send JSON, or a multipart form with a file")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise ProblemError(413, "too_large", f"a JSON body has {max_bytes} bytes at most")
    try:
        return SimilarRequest.model_validate_json(bytes(body))
    except ValidationError as error:
        raise RequestValidationError(_in_body(error)) from error


def _upload_query(fields: dict[str, str]) -> UploadQuery:
    given: dict[str, Any] = dict(fields)
    try:
        if "where" in given:
            given["where"] = json.loads(given["where"])
        return UploadQuery.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError(_in_body(error)) from error
    except (ValueError, RecursionError):
        raise ProblemError(422, "bad_request", "where: not JSON") from None


def _in_body(error: ValidationError) -> list[dict[str, Any]]:
    """Errors of a document, said to be in the body."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{**each, "loc": ("body", *each["loc"])} for each in found]


def similar_to_video(service: Service, query: SimilarRequest, job: Job) -> SearchAnswer:
    """A page of hits that the client may see."""
    result = service.library.similar(
        service.shown_file(query.video_id),
        query.k,
        span=query.span,
        where=query.where.to_filter(),
        per_video=query.per_video,
        copies=query.copies,
        exclude_itself=query.exclude_itself,
        cursor=query.cursor,
        job=job,
    )
    return service.answer(result)


def similar_to_upload(
    service: Service, upload: ReceivedUpload, query: UploadQuery, job: Job
) -> SearchAnswer:
    """Hits like a file that was sent."""
    limit_seconds = service.settings.upload_limits.max_work_seconds
    deadline = time.monotonic() + limit_seconds
    timed = Job(should_cancel=lambda: job.is_cancelled or time.monotonic() > deadline)
    try:
        result = service.library.similar(
            upload.path,
            query.k,
            where=query.where.to_filter(),
            per_video=query.per_video,
            copies=query.copies,
            limits=service.decode_limits,
            job=timed,
        )
    except VideoError as error:
        raise type(error)(error.reason, path=upload.name, hint=error.hint) from error
    except JobCancelledError:
        if job.is_cancelled:
            raise
        reason = f"reading it takes longer than {limit_seconds:g} seconds"
        raise DecodeLimitError(reason, path=upload.name) from None
    # The pages after the first would need the file again.
    return service.answer(result).model_copy(update={"next_cursor": None})
