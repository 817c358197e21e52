"""Errors as problem details (RFC 9457), with the stable ``code`` of ``vidseek.core.errors``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vidseek.core import errors
from vidseek.core.errors import VidseekError
from vidseek.web.text import safe_text

MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[VidseekError], int], ...] = (
    (errors.PathNotFoundError, 404),
    (errors.QueryError, 422),
    (errors.ExportError, 422),
    (errors.TrainingError, 422),
    (errors.MissingExtraError, 503),
    (errors.LibraryLockedError, 409),
    (errors.LibraryReadOnlyError, 403),
    (errors.LibraryFullError, 507),
    (errors.LibraryError, 503),
    (errors.DecodeLimitError, 413),
    (errors.NotAVideoError, 415),
    (errors.InternalVideoError, 500),
    (errors.VideoError, 422),
    (errors.EncoderError, 503),
    (errors.JobCancelledError, 503),
    (errors.FileAccessError, 404),
)
"""The first class that an error is an instance of decides its status."""


class ClientGoneError(Exception):
    """The client closed the connection; nobody reads an answer."""


class ProblemError(HTTPException):
    """A request that the server refuses."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        hint: errors.Hint | None = None,
    ) -> None:
        # FastAPI passes on this class of errors where it reads a body.
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.hint = hint


def problem_document(problem: ProblemError, request_id: str = "") -> dict[str, Any]:
    """The members of a problem document."""
    document: dict[str, Any] = {
        "type": f"urn:vidseek:problem:{problem.code}",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "detail": safe_text(problem.detail),
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.hint is not None:
        document["hint"] = problem.hint.action
    return document


def problem_response(problem: ProblemError, request_id: str = "", **more: Any) -> Response:
    """The response to a refused request."""
    document = {**problem_document(problem, request_id), **more}
    return Response(
        json.dumps(document),
        status_code=problem.status_code,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def problem_of(error: VidseekError, *, hidden: Mapping[str, str] | None = None) -> ProblemError:
    """The problem that an error of the library is for a client.

    Args:
        error: the error.
        hidden: texts that the client must not see, such as paths outside the media roots, and what
            to write instead.
    """
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    detail = str(error)
    for secret, shown in (hidden or {}).items():
        detail = detail.replace(secret, shown)
    return ProblemError(status, error.code, detail, hint=error.hint)


def request_id(request: Request) -> str:
    """The id of a request, for logs and answers."""
    return str(request.scope.get("vidseek.request_id", ""))
