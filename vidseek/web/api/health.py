"""``/health``: whether the server answers, and what it holds."""

from __future__ import annotations

from fastapi import APIRouter, Request

from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.schemas import Health, problem_answers

router = APIRouter(tags=["server"])


@router.get("/health", responses=problem_answers())
async def health(request: Request, service: ServiceOf) -> Health:
    """Say that the server answers, and what it holds."""
    return await service.quick.run(request, lambda _: service.health())
