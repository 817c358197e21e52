"""``/search``: moments by text."""

from __future__ import annotations

from collections.abc import Sequence
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
    if not _goes_with_others(query):
        content = await service.quick.run(
            request, lambda _: _document(search_library(service, query))
        )
    else:
        # Queries that wait at the same time are one batch for the encoder and the index.
        content = await service.quick.run_together(
            request,
            query.model_copy(update={"text": ""}).model_dump_json(),
            query,
            lambda queries, job: list(map(_document, _search_together(service, queries, job))),
        )
    # Written here and not by FastAPI, which would validate every hit again.
    return Response(content, media_type="application/json")


def _document(answer: SearchAnswer) -> bytes:
    return answer.model_dump_json().encode()


def _goes_with_others(query: SearchRequest) -> bool:
    """Whether ``Library.search_many`` can answer the query."""
    is_combined = query.then or query.within_seconds is not None or query.not_like is not None
    return query.cursor is None and not is_combined and query.order == "relevance"


def search_library(service: Service, query: SearchRequest) -> SearchAnswer:
    """A page of hits that the client may see; kept until the library changes."""
    key = (service.library.change_number(), query.model_dump_json())
    return service.answers.get(key, lambda: _search(service, query))


def _search_together(
    service: Service, queries: Sequence[SearchRequest], job: Job
) -> list[SearchAnswer]:
    """The same for queries that differ in nothing but their texts."""

    def answer(places: Sequence[int]) -> list[SearchAnswer]:
        asked = [queries[place] for place in places]
        options = asked[0]
        results = service.library.search_many(
            [query.text for query in asked],
            options.k,
            not_text=options.not_text,
            where=options.where.to_filter(),
            per_video=options.per_video,
            copies=options.copies,
            refine_spans=options.refine_spans,
            job=job,
        )
        return [
            _first_shown(service, query, result)
            for query, result in zip(asked, results, strict=True)
        ]

    change = service.library.change_number()
    keys = [(change, query.model_dump_json()) for query in queries]
    return service.answers.get_all(keys, answer)


def _search(service: Service, query: SearchRequest) -> SearchAnswer:
    if query.order == "date":
        return _newest(service, query)
    return _first_shown(service, query, _page(service, query, query.cursor))


def _page(service: Service, query: SearchRequest, cursor: str | None) -> SearchResult:
    unwanted = query.not_like
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
        not_like=None if unwanted is None else service.shown_file(unwanted.video_id),
        not_like_span=None if unwanted is None else unwanted.span,
        cursor=cursor,
    )


def _first_shown(service: Service, query: SearchRequest, page: SearchResult) -> SearchAnswer:
    """The document of a page, or of a page after it if the client may see none of its hits."""
    answer = service.answer(page)
    for _ in range(MAX_PAGES_SKIPPED - 1):
        if answer.hits or answer.next_cursor is None:
            break
        answer = service.answer(_page(service, query, answer.next_cursor))
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
