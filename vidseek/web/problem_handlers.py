"""Answers an application's errors with problem details.

Apart from ``problems``, since the server for assistants answers without FastAPI.
"""

from __future__ import annotations

import logging

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from vidseek.core import errors
from vidseek.core.errors import VidseekError
from vidseek.web.problems import (
    ClientGoneError,
    ProblemError,
    problem_of,
    problem_response,
    request_id,
)
from vidseek.web.text import safe_text

_logger = logging.getLogger(__name__)

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


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    app.add_exception_handler(ProblemError, _answer_problem)
    app.add_exception_handler(VidseekError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientGoneError, _answer_nobody)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_bug)


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
