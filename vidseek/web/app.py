"""The application: routes, middleware and the life of the library behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

import vidseek
from vidseek.web import pages
from vidseek.web.api import (
    captions,
    check,
    duplicates,
    explain,
    export,
    health,
    jobs,
    media,
    preview,
    search,
    similar,
    understanding,
    videos,
)
from vidseek.web.captioner import ServerCaptioner
from vidseek.web.metrics import Measured
from vidseek.web.problem_handlers import add_problem_handlers
from vidseek.web.schemas import Problem, SimilarRequest
from vidseek.web.security import Security
from vidseek.web.service import API, Service
from vidseek.web.settings import ServerSettings

ROUTERS = (
    health,
    search,
    similar,
    check,
    videos,
    understanding,
    explain,
    captions,
    media,
    preview,
    duplicates,
    export,
    jobs,
)


def create_app(settings: ServerSettings) -> FastAPI:
    """Make the application that serves a library.

    The library is open from the first request to the end of the application's lifespan.

    Args:
        settings: the library, the media roots, the token and the limits.

    Raises:
        LibraryError: the library cannot be opened.
        PathNotFoundError: a media root is not a folder.
        EncoderError: the captioner is not on this machine, or cannot be used.
    """
    service = Service(settings)
    try:
        captioner = ServerCaptioner(service.library, settings.captioner)
    except BaseException:
        service.close()
        raise

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.get_running_loop().run_in_executor(None, _warm, service)
        try:
            yield
        finally:
            service.stop()
            await warming
            await asyncio.to_thread(service.close)

    app = FastAPI(
        title="vidseek",
        version=vidseek.__version__,
        description="Find moments in videos by text, picture or video, and find copies.",
        openapi_url=f"{API}/openapi.json",
        # Swagger's page loads its scripts from another site.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.captioner = captioner
    api = APIRouter(prefix=API)
    for module in ROUTERS:
        api.include_router(module.router)
    app.include_router(api)
    pages.add_to(app)
    add_problem_handlers(app)
    app.add_middleware(Security, settings=settings)
    app.add_middleware(Measured, metrics=service.metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _warm(service: Service) -> None:
    # An error here is raised again, and answered, at the first search.
    try:
        service.warm()
    except vidseek.VidseekError:
        return


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the problems that FastAPI does not know of."""
    if app.openapi_schema is None:
        document: dict[str, Any] = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        # The endpoint reads its body itself, since it also takes files.
        similar_query = SimilarRequest.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        schemas.update(similar_query.pop("$defs", {}))
        schemas["SimilarRequest"] = similar_query
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = document
        return document
    return dict(app.openapi_schema)
