"""``/search``: moments by text."""

from __future__ import annotations

from fastapi import APIRouter, Request

from vidseek.core.types import SearchResult
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.schemas import SearchAnswer, SearchRequest, problem_answers
from vidseek.web.service import Service

router = APIRouter(tags=["search"])

MAX_PAGES_SKIPPED = 20
"""Pages of nothing but videos outside the roots that one request goes through."""


@router.post("/search", responses=problem_answers(404))
async def search(request: Request, query: SearchRequest, service: ServiceOf) -> SearchAnswer:
    """Find the moments that a text describes, best first."""
    return await service.quick.run(request, lambda _: search_library(service, query))


def search_library(service: Service, query: SearchRequest) -> SearchAnswer:
    """A page of hits that the client may see; kept until the library changes."""
    key = (service.library.change_number(), query.model_dump_json())
    return service.answers.get(key, lambda: _search(service, query))


def _search(service: Service, query: SearchRequest) -> SearchAnswer:

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
