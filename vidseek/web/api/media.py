"""``/thumbnails`` and ``/media``: pictures and files of videos."""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from vidseek.core.errors import PathNotFoundError
from vidseek.core.types import Video
from vidseek.web.api.dependencies import ServiceOf, VideoPath
from vidseek.web.problems import ProblemError
from vidseek.web.ranges import ByteRange, requested_range
from vidseek.web.schemas import problem_answers
from vidseek.web.service import Service
from vidseek.web.text import safe_text

router = APIRouter(tags=["media"])

PIECE_BYTES = 256 * 1024
_KEPT = "private, max-age=31536000, immutable"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/thumbnails/{video_id}/{milliseconds}",
    response_class=Response,
    responses={
        200: {"description": "A JPEG picture.", "content": {"image/jpeg": _BINARY}},
        304: {"description": "The client has it."},
        **problem_answers(404),
    },
)
async def thumbnail(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    milliseconds: Annotated[int, Path(ge=0, le=10**11, description="Time of the frame.")],
    v: Annotated[
        str | None, Query(max_length=64, description="Part of the content's hash.")
    ] = None,
) -> Response:
    """A small picture of a frame of a video."""

    def read() -> tuple[str, bytes]:
        video = service.shown_video(video_id)
        path = service.library.thumbnail(video, milliseconds / 1000)
        if path is None:
            raise PathNotFoundError(f"the video {video_id} has no thumbnail of that frame")
        return f'"{video.content_hash[-16:]}-{milliseconds}"', path.read_bytes()

    tag, jpeg = await service.quick.run(request, lambda _: read())
    headers = {"ETag": tag, "Cache-Control": _KEPT if v else "private, no-cache"}
    if has_tag(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def has_tag(given: str | None, tag: str) -> bool:
    """Whether an ``If-None-Match`` header names a tag."""
    if given is None:
        return False
    return given.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in given.split(",")
    )


@router.get(
    "/media/{video_id}",
    response_class=Response,
    responses={
        200: {"description": "The whole file.", "content": {"video/*": _BINARY}},
        206: {"description": "The bytes asked for.", "content": {"video/*": _BINARY}},
        304: {"description": "The client has it."},
        **problem_answers(404, 416),
    },
)
async def media(request: Request, service: ServiceOf, video_id: VideoPath) -> Response:
    """The file of a video; takes a `Range` of bytes."""
    video, file = await service.quick.run(request, lambda _: _open_video(service, video_id))
    try:
        status = os.fstat(file.fileno())
        tag = f'"{video.id}-{status.st_size:x}-{status.st_mtime_ns:x}"'
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": formatdate(status.st_mtime, usegmt=True),
            "Cache-Control": "private, no-cache",
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(safe_text(video.path.name))}",
        }
        if has_tag(request.headers.get("if-none-match"), tag):
            file.close()
            return Response(status_code=304, headers=headers)
        chosen = _chosen_range(request, status.st_size, headers)
    except BaseException:
        file.close()
        raise
    part = chosen or ByteRange(0, status.st_size)
    headers["Content-Length"] = str(part.size)
    if chosen is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{status.st_size}"
    return StreamingResponse(
        _pieces(file, part),
        status_code=200 if chosen is None else 206,
        headers=headers,
        media_type=media_type(video),
    )


def _open_video(service: Service, video_id: int) -> tuple[Video, BinaryIO]:
    video = service.shown_video(video_id)
    return video, service.roots.open(video.path)


def _chosen_range(request: Request, size: int, headers: dict[str, str]) -> ByteRange | None:
    given = request.headers.get("range")
    condition = request.headers.get("if-range")
    if condition is not None and condition not in (headers["ETag"], headers["Last-Modified"]):
        given = None
    try:
        return requested_range(given, size)
    except ValueError:
        raise ProblemError(
            416,
            "range_not_satisfiable",
            f"the file has {size} bytes",
            headers={"Content-Range": f"bytes */{size}"},
        ) from None


async def _pieces(file: BinaryIO, part: ByteRange) -> AsyncIterator[bytes]:
    with file:
        file.seek(part.start)
        left = part.size
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, left))
            if not piece:
                return
            left -= len(piece)
            yield piece


def media_type(video: Video) -> str:
    """The type of a file by its name; nothing that a browser would run or show as a page."""
    guessed, _ = mimetypes.guess_type(video.path.name)
    if guessed is not None and (guessed.startswith("video/") or guessed == "image/gif"):
        return guessed
    return "application/octet-stream"
