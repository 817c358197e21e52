"""What the endpoints take from a request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from vidseek.web.schemas import MAX_ID, Cursor
from vidseek.web.service import Service


async def service_of(request: Request) -> Service:
    """The server's library and threads.

    Asynchronous, because FastAPI calls other functions in threads, of which it starts up to 40.
    """
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]
VideoPath = Annotated[int, Path(ge=1, le=MAX_ID, description="`video_id` of a hit.")]
LimitQuery = Annotated[int, Query(ge=1, le=500, description="Items of a page.")]
CursorQuery = Annotated[
    Cursor | None, Query(description="`next_cursor` of the page before; none for the first.")
]
