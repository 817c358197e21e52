"""What the endpoints take from a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from vidseek.core.errors import QueryError
from vidseek.core.types import TimeSpan
from vidseek.web.schemas import MAX_ID, MAX_SECONDS, Cursor
from vidseek.web.service import Service


async def service_of(request: Request) -> Service:
    """The server's library and threads.

    Asynchronous, because FastAPI calls other functions in threads, of which it starts up to 40.
    """
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]
VideoPath = Annotated[int, Path(ge=1, le=MAX_ID, description="`video_id` of a hit.")]
LimitQuery = Annotated[int, Query(ge=1, le=500, description="Items per page.")]
CursorQuery = Annotated[
    Cursor | None, Query(description="`next_cursor` of the page before; none for the first.")
]
_Start = Query(
    ge=0, le=MAX_SECONDS, allow_inf_nan=False, description="Start of a part, in seconds."
)
_End = Query(
    ge=0,
    le=MAX_SECONDS,
    allow_inf_nan=False,
    description="End of the part, in seconds. Without start and end, the whole video counts.",
)


async def part_between(
    start: Annotated[float | None, _Start] = None, end: Annotated[float | None, _End] = None
) -> TimeSpan | None:
    """A part of a video, from ``start`` to ``end`` seconds; None for the whole video.

    Raises:
        QueryError: one of them is missing, or the part ends before its start.
    """
    if start is None and end is None:
        return None
    if start is None or end is None or end < start:
        raise QueryError("give start and a later end, or neither")
    return TimeSpan(start, end)


PartQuery = Annotated[TimeSpan | None, Depends(part_between)]
