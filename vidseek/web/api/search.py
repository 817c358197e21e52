"""``/search``: moments by text."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from vidseek.core.job import Job
from vidseek.core.types import SearchResult
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.cursors import Key, page_after
from vidseek.web.schemas import MAX_HITS, Hit, SearchAnswer, SearchRequest, problem_answers
from vidseek.web.service import Service

router = APIRouter(tags=["search"])

MAX_PAGES_SKIPPED = 20
"""Pages of nothing but videos outside the roots that one request goes through."""


@router.post("/search", response_model=SearchAnswer, responses=problem_answers(404))
async def search(request: Request, query: SearchRequest, service: ServiceOf) -> Response:
    """Find the moments that a text describes, best first."""

    def work(_: Job) -> bytes:
        return search_library(service, query).model_dump_json().encode()

    # Written here and not by FastAPI, which would validate every hit again.
    return Response(await service.quick.run(request, work), media_type="application/json")


def search_library(service: Service, query: SearchRequest) -> SearchAnswer:
    """A page of hits that the client may see; kept until the library changes."""
    key = (service.library.change_number(), query.model_dump_json())
    return service.answers.get(key, lambda: _search(service, query))


def _search(service: Service, query: SearchRequest) -> SearchAnswer:
    if query.order == "date":
        return _newest(service, query)

    def page(cursor: str | None) -> SearchResult:
        return service.library.search(
            query.text,
            query.k,
            not_text=query.not_text,
            where=query.where.to_filter(),
            per_video=query.per_video,
            copies=query.copies,
            refine_spans=query.refine_spans,
            then=query.then,
            within_seconds=query.within_seconds,
            cursor=cursor,
        )

    cursor = query.cursor
    for _ in range(MAX_PAGES_SKIPPED):
        answer = service.answer(page(cursor))
        cursor = answer.next_cursor
        if answer.hits or cursor is None:
            break
    return answer


def _newest(service: Service, query: SearchRequest) -> SearchAnswer:
    """The best moments, newest first."""
    best = query.model_copy(update={"order": "relevance", "k": MAX_HITS, "cursor": None})
    answer = search_library(service, best)
    hits, following = page_after(
        sorted(answer.hits, key=_by_age), _by_age, cursor=query.cursor, limit=query.k
    )
    return answer.model_copy(update={"hits": hits, "next_cursor": following})


def _by_age(hit: Hit) -> Key:
    is_unlikely = hit.confidence is not None and hit.confidence < DEFAULT_MIN_CONFIDENCE
    age = -datetime.fromisoformat(hit.modified).timestamp()
    return int(is_unlikely), age, hit.video_id, hit.start_seconds, hit.end_seconds
