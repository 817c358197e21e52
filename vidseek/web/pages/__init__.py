"""The web page: templates and static files, nothing loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Form, Query, Request
from fastapi.staticfiles import StaticFiles
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from vidseek.web.api.dependencies import VideoPath
from vidseek.web.problem_handlers import answer_refusal
from vidseek.web.security import TOKEN_COOKIE, is_token, local_address, session_of
from vidseek.web.service import API

_FOLDER = Path(__file__).parent

templates = Jinja2Templates(directory=_FOLDER / "templates")
router = APIRouter(include_in_schema=False)
NextQuery = Annotated[str, Query(alias="next")]


def add_to(app: FastAPI) -> None:
    """Add the pages and their static files to an application."""
    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_FOLDER / "static"), name="static")
    app.add_exception_handler(404, _answer_not_found)


async def _answer_not_found(request: Request, error: Exception) -> Response:
    """A page for a browser that follows a wrong link; a problem document for a program."""
    is_page = not request.url.path.startswith((f"{API}/", "/static/"))
    if is_page and "text/html" in request.headers.get("accept", ""):
        return templates.TemplateResponse(
            request, "not_found.html", {"page": "not_found"}, status_code=404
        )
    return await answer_refusal(request, error)


@router.get("/")
async def search_page(request: Request) -> Response:
    """The search page."""
    return templates.TemplateResponse(request, "search.html", {"page": "search"})


@router.get("/video/{video_id:int}")
async def video_page(request: Request, video_id: VideoPath) -> Response:
    """The page of one video."""
    return templates.TemplateResponse(request, "video.html", {"page": "video", "id": video_id})


@router.get("/duplicates")
async def duplicates_page(request: Request) -> Response:
    """The groups of duplicates, side by side."""
    return templates.TemplateResponse(request, "duplicates.html", {"page": "duplicates"})


@router.get("/check")
async def check_page(request: Request) -> Response:
    """The page that checks a file for copies."""
    return templates.TemplateResponse(request, "check.html", {"page": "check"})


@router.get("/library")
async def library_page(request: Request) -> Response:
    """Media roots, index runs, and the files that could not be read."""
    return templates.TemplateResponse(request, "library.html", {"page": "library"})


@router.get("/login")
async def login_page(request: Request, wanted: NextQuery = "/") -> Response:
    """The page that asks for the token."""
    return templates.TemplateResponse(
        request,
        "login.html",
        {"page": "login", "is_wrong": False, "next": local_address(wanted)},
    )


@router.post("/login")
async def log_in(
    request: Request,
    token: Annotated[str, Form(min_length=1, max_length=512)],
    wanted: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Keep the session of a right token in a cookie."""
    right = request.app.state.service.settings.token
    if right is not None and not is_token(token.strip(), right):
        return templates.TemplateResponse(
            request,
            "login.html",
            {"page": "login", "is_wrong": True, "next": local_address(wanted)},
            status_code=401,
        )
    answer = RedirectResponse(local_address(wanted), status_code=303)
    if right is not None:
        answer.set_cookie(
            TOKEN_COOKIE,
            session_of(right),
            max_age=90 * 24 * 3600,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return answer
