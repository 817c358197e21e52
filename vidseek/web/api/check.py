"""``/check``: whether a file that is sent is a copy of a video in the library."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request

from vidseek.core.errors import PathNotFoundError, VideoError
from vidseek.core.job import Job
from vidseek.core.types import CopyVerdict, Match
from vidseek.figures import match_figures
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.problems import ProblemError
from vidseek.web.schemas import CheckAnswer, CheckMatch, Threshold, problem_answers
from vidseek.web.service import Service, media_url
from vidseek.web.text import path_text, safe_text
from vidseek.web.uploads import ReceivedUpload, receive_upload

router = APIRouter(tags=["copies"])

MAX_SAME_NAMES = 10_000

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "threshold": {"enum": list(get_args(Threshold)), "default": "normal"},
                        "min_score": {"type": "number", "minimum": 0, "maximum": 1},
                    },
                }
            }
        },
    }
}


@router.post("/check", openapi_extra=_FORM, responses=problem_answers(409, 415, 507))
async def check(
    request: Request,
    service: ServiceOf,
    add: Annotated[bool, Query(description="Add the video to the library if it is new.")] = False,
) -> CheckAnswer:
    """Check whether a video is a copy of one in the library; it is not kept, unless it is added.

    Of two copies that are added at once, one is new, and the other is a copy of it.
    """
    if add:
        service.check_writable()
        if service.settings.uploads is None:
            raise ProblemError(403, "no_uploads", "this server was started without --uploads")
    async with receive_upload(request, service.uploads) as upload:
        options = check_options(service, upload)
        work = _add if add else _check
        return await service.heavy.run(request, lambda job: work(service, upload, options, job))


def check_options(service: Service, upload: ReceivedUpload) -> dict[str, Any]:
    """The options of the form.

    Raises:
        ProblemError: an unknown field or value.
    """
    fields = dict(upload.fields)
    threshold = fields.pop("threshold", "normal")
    if threshold not in get_args(Threshold):
        raise ProblemError(422, "bad_request", "threshold: strict, normal or loose")
    try:
        text = fields.pop("min_score", None)
        min_score = None if text is None else float(text)
        if min_score is not None and not 0 <= min_score <= 1:
            raise ValueError(text)
    except ValueError:
        raise ProblemError(422, "bad_request", "min_score: a number from 0 to 1") from None
    if fields:
        raise ProblemError(422, "bad_request", f"unknown field {min(fields)!r:.100}")
    return {
        "threshold": threshold,
        "min_score": min_score,
        "timeout_seconds": service.settings.upload_limits.max_work_seconds,
        "limits": service.decode_limits,
    }


def _check(
    service: Service, upload: ReceivedUpload, options: dict[str, Any], job: Job
) -> CheckAnswer:
    try:
        verdict = service.library.check(upload.path, **options, job=job)
    except VideoError as error:
        raise type(error)(error.reason, path=upload.name, hint=error.hint) from error
    return _answer(service, upload, verdict, added=None)


def _add(
    service: Service, upload: ReceivedUpload, options: dict[str, Any], job: Job
) -> CheckAnswer:
    uploads = service.settings.uploads
    assert uploads is not None
    place = place_upload(service, upload, uploads)
    is_added = False
    try:
        # A run over the same folder may have found the file before this check.
        verdict = service.library.check_and_add(place, **options, except_paths=[place], job=job)
        is_added = verdict.kind == "new"
    except VideoError as error:
        raise type(error)(error.reason, path=upload.name, hint=error.hint) from error
    finally:
        if not is_added:
            place.unlink(missing_ok=True)
            with suppress(PathNotFoundError):
                service.library.remove(place)
    return _answer(service, upload, verdict, added=place if is_added else None)


def place_upload(service: Service, upload: ReceivedUpload, folder: Path) -> Path:
    """Copy an upload to a new name in the folder for uploads; no file there is ever replaced.

    Raises:
        ProblemError: the folder is outside the roots, or the file cannot be written there.
    """
    wanted = Path(upload.name)
    for number in range(1, MAX_SAME_NAMES):
        name = wanted.name if number == 1 else f"{wanted.stem}-{number}{wanted.suffix}"
        place = folder / name
        if not service.roots.contain(place):
            raise ProblemError(403, "outside_roots", "the folder for uploads is outside the roots")
        try:
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue
        except OSError as error:
            raise _cannot_be_kept() from error
        try:
            with os.fdopen(descriptor, "wb") as target, upload.path.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
        except BaseException as error:
            # An index run over that folder would take the rest for a damaged video.
            place.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _cannot_be_kept() from error
            raise
        return place
    raise ProblemError(409, "conflict", "too many uploads have that name")


def _cannot_be_kept() -> ProblemError:
    return ProblemError(507, "disk_full", "the upload cannot be stored")


def _answer(
    service: Service, upload: ReceivedUpload, verdict: CopyVerdict, *, added: Path | None
) -> CheckAnswer:
    return CheckAnswer(
        path=safe_text(upload.name) if added is None else path_text(added),
        verdict=verdict.kind,
        added=added is not None,
        matches=[
            _match(match) for match in verdict.matches if service.roots.contain(match.video.path)
        ],
        query_seconds=round(verdict.query_seconds, 3),
        compared_frames=verdict.compared_frames,
    )


def _match(match: Match) -> CheckMatch:
    return CheckMatch(
        video_id=match.video.id,
        path=path_text(match.video.path),
        **match_figures(match),
        media_url=media_url(match.video),
    )
