"""Errors as problem details (RFC 9457), with the stable ``code`` of ``vidseek.core.errors``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from vidseek.core import errors
from vidseek.core.errors import VidseekError
from vidseek.web.text import safe_text

_logger = logging.getLogger(__name__)

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

_CODES = {
    400: "bad_request",
    401: "token_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "wrong_media_type",
    416: "range_not_satisfiable",
    421: "wrong_host",
    422: "bad_request",
    429: "busy",
    500: "internal",
    503: "busy",
    507: "disk_full",
}


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


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(VidseekError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientGoneError, _answer_nobody)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_bug)


def request_id(request: Request) -> str:
    """The id of a request, for logs and answers."""
    return str(request.scope.get("vidseek.request_id", ""))


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Answer an ``HTTPException``: a refusal of ours, or one of the framework."""
    answer = _answer_problem if isinstance(error, ProblemError) else _answer_http
    return await answer(request, error)


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error, request_id(request))


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, VidseekError)
    problem = problem_of(error, hidden=request.app.state.service.hidden_texts(error.path))
    if problem.status_code >= 500 and not isinstance(error, errors.JobCancelledError):
        _logger.warning("request %s: %s", request_id(request), error)
    return problem_response(problem, request_id(request))


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        {"where": [safe_text(str(part)) for part in each["loc"]], "what": safe_text(each["msg"])}
        for each in error.errors()[:20]
    ]
    first = found[0] if found else {"where": [], "what": "invalid"}
    detail = f"{'.'.join(first['where'])}: {first['what']}"
    problem = ProblemError(422, "bad_request", detail)
    return problem_response(problem, request_id(request), errors=found)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    problem = ProblemError(
        error.status_code,
        _CODES.get(error.status_code, "error"),
        str(error.detail),
        headers=error.headers,
    )
    return problem_response(problem, request_id(request))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _answer_bug(request: Request, error: Exception) -> Response:
    _logger.error("request %s: unexpected error", request_id(request), exc_info=error)
    problem = ProblemError(500, "internal", "an unexpected error; see the log of the server")
    return problem_response(problem, request_id(request))
