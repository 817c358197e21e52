"""``/health`` and ``/metrics``: whether the server answers, what it holds and does."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.metrics import MEDIA_TYPE
from vidseek.web.schemas import Health, problem_answers

router = APIRouter(tags=["server"])


@router.get("/health", responses=problem_answers())
async def health(request: Request, service: ServiceOf) -> Health:
    """Say that the server answers, and what it holds."""
    return await service.quick.run(request, lambda _: service.health())


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Metrics in Prometheus' text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problem_answers(),
    },
)
async def metrics(service: ServiceOf) -> Response:
    """Counts and times of requests, and what the server is doing."""
    # Not among the requests that it counts, and answered when too many of them wait.
    text = await asyncio.to_thread(service.metrics.text)
    return Response(text, media_type=MEDIA_TYPE)
