"""The tools that an assistant can call.

Each answers with a JSON document. An error is a document with ``code``, ``message`` and ``hint``,
marked as an error.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import Field

from vidseek.core.errors import Hint, PathNotFoundError, QueryError, VidseekError
from vidseek.core.job import Job, Progress
from vidseek.core.types import SearchHit, SearchResult, TimeSpan, VideoFilter
from vidseek.library import Library
from vidseek.mcp import documents
from vidseek.mcp.documents import WordHint
from vidseek.mcp.work import ToolThreads
from vidseek.web.problems import ProblemError
from vidseek.web.roots import MediaRoots
from vidseek.web.text import path_text, safe_text

_logger = logging.getLogger(__name__)

MAX_HITS = 50
MAX_GROUPS = 100

Count = Annotated[int, Field(ge=1, le=MAX_HITS, description="Number of moments.")]
File = Annotated[
    str, Field(description="Path of a file: absolute, or relative to a media folder of the server.")
]
Glob = Annotated[
    str | None,
    Field(description="Only videos at this file, folder or pattern, such as '*/2024/*.mp4'."),
]
Cursor = Annotated[
    str | None, Field(description="For the next page: next_cursor of the page before.")
]
Pictures = Annotated[bool, Field(description="Also return a picture of each hit, in their order.")]


class Tools:
    """The tools on one library."""

    def __init__(self, library: Library, roots: MediaRoots, word_hint: WordHint) -> None:
        """Answer from a library.

        Args:
            library: the open library.
            roots: no file outside them is read or named.
            word_hint: words hints for the user.
        """
        self._library = library
        self._roots = roots
        self._word_hint = word_hint
        self._threads = ToolThreads()

    def cancel(self) -> None:
        """Cancel the calls."""
        self._threads.cancel()

    def close(self) -> None:
        """Cancel the calls and wait for their threads."""
        self._threads.close()

    async def search(
        self,
        text: Annotated[str, Field(description="What can be seen, in plain words.")],
        k: Count = 5,
        not_text: Annotated[
            str | None, Field(description="What the moments should not show.")
        ] = None,
        then: Annotated[
            list[str], Field(description="What follows later in the same video, step by step.")
        ] = [],  # noqa: B006 - a field's default, which is copied
        within_seconds: Annotated[
            float | None,
            Field(
                gt=0,
                description="Seconds from the end of a step to the start of the next, at most.",
            ),
        ] = None,
        path_glob: Glob = None,
        per_video: Annotated[
            int | None, Field(ge=1, description="Hits per video, at most.")
        ] = None,
        cursor: Cursor = None,
        thumbnails: Pictures = True,
    ) -> CallToolResult:
        """Find the moments of the library's videos that match a description, best first."""

        def work(job: Job) -> CallToolResult:
            where = VideoFilter(path_glob=path_glob)
            result = self._library.search(
                text,
                k,
                not_text=not_text,
                where=where,
                per_video=per_video,
                then=then,
                within_seconds=within_seconds,
                cursor=cursor,
            )
            return self._hits(result, thumbnails=thumbnails)

        return await self._answer(work)

    async def similar(
        self,
        file: File,
        k: Count = 5,
        start_seconds: Annotated[
            float | None, Field(description="Start of the part, in seconds.")
        ] = None,
        end_seconds: Annotated[
            float | None, Field(description="End of the part, in seconds.")
        ] = None,
        cursor: Cursor = None,
        thumbnails: Pictures = True,
    ) -> CallToolResult:
        """Find moments that look like a picture, a video or a part of a video, best first."""

        def work(job: Job) -> CallToolResult:
            result = self._library.similar(
                self._find(file),
                k,
                span=part_of(start_seconds, end_seconds),
                exclude_itself=True,
                cursor=cursor,
                job=job,
            )
            return self._hits(result, thumbnails=thumbnails)

        return await self._answer(work)

    async def check(
        self,
        file: File,
        threshold: Annotated[
            Literal["strict", "normal", "loose"], Field(description="Match strictness.")
        ] = "normal",
    ) -> CallToolResult:
        """Detect whether a video is a copy of one in the library, and of which seconds."""

        def work(job: Job) -> CallToolResult:
            verdict = self._library.check(self._find(file), threshold=threshold, job=job)
            return result_of(documents.verdict_document(verdict, self._roots))

        return await self._answer(work)

    async def video_info(self, file: File) -> CallToolResult:
        """Describe a video of the library: length, size, codec, state, spans of its clips."""

        def work(job: Job) -> CallToolResult:
            details = self._library.info(self._find(file, missing_ok=True))
            return result_of(documents.video_document(details))

        return await self._answer(work)

    async def duplicates(
        self,
        max_groups: Annotated[int, Field(ge=1, le=MAX_GROUPS, description="Groups, at most.")] = 20,
    ) -> CallToolResult:
        """List videos of the library that are copies of each other, and which to keep."""

        def work(job: Job) -> CallToolResult:
            found = (
                documents.group_document(group, self._roots) for group in self._library.duplicates()
            )
            groups = [group for group in found if group is not None]
            return result_of({"group_count": len(groups), "groups": groups[:max_groups]})

        return await self._answer(work)

    async def index(
        self,
        context: Context,
        paths: Annotated[
            list[str] | None,
            Field(
                description="Files and folders to add. Default: all media folders of the server."
            ),
        ] = None,
        retry_failed: Annotated[bool, Field(description="Read failed files again.")] = False,
    ) -> CallToolResult:
        """Add videos to the library, or update it. Unchanged files are not read again."""

        def work(job: Job) -> CallToolResult:
            chosen = [self._find(path) for path in paths or map(path_text, self._roots.folders)]
            report = self._library.index(chosen, retry_failed=retry_failed, job=job)
            return result_of(documents.report_document(report, self._word_hint))

        return await self._answer(work, on_progress=progress_to(context))

    # ---------------------------------------------------------------------------------------------

    def _find(self, given: str, *, missing_ok: bool = False) -> Path:
        """The path inside the roots that a client names."""
        try:
            return self._roots.find(given)
        except ProblemError as problem:
            if problem.code == "outside_roots":
                problem.hint = Hint("add_root")
            raise
        except PathNotFoundError as error:
            if missing_ok and error.path is not None:
                return error.path  # a video on a disk that is not mounted
            raise

    def _hits(self, result: SearchResult, *, thumbnails: bool) -> CallToolResult:
        shown = [hit for hit in result if self._roots.contain(hit.video.path)]
        document = documents.hits_document(result, shown, self._roots, self._word_hint)
        pictures: list[ContentBlock] = []
        for number, hit in enumerate(shown if thumbnails else [], 1):
            picture = _picture(hit)
            if picture is not None:
                pictures += [TextContent(type="text", text=f"hit {number}:"), picture]
        return result_of(document, pictures)

    async def _answer(
        self,
        work: Callable[[Job], CallToolResult],
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> CallToolResult:
        try:
            return await self._threads.run(work, on_progress=on_progress)
        except ProblemError as error:
            return self._error(error.code, error.detail, error.hint)
        except VidseekError as error:
            return self._error(error.code, str(error), error.hint)
        except Exception:
            _logger.exception("a tool failed")
            return self._error("internal", "an unexpected error; see the log of vidseek", None)

    def _error(self, code: str, message: str, hint: Hint | None) -> CallToolResult:
        document = {"code": code, "message": safe_text(message), "hint": self._word_hint(hint)}
        return result_of(document, is_error=True)


def result_of(
    document: dict[str, Any],
    pictures: list[ContentBlock] | None = None,
    *,
    is_error: bool = False,
) -> CallToolResult:
    """The answer of a tool: a document, and pictures."""
    text = TextContent(type="text", text=json.dumps(document))
    return CallToolResult(
        content=[text, *(pictures or [])], structured_content=document, is_error=is_error
    )


def _picture(hit: SearchHit) -> ImageContent | None:
    if hit.thumbnail is None:
        return None
    try:
        content = hit.thumbnail.read_bytes()
    except OSError:  # removed meanwhile
        return None
    data = base64.b64encode(content).decode()
    return ImageContent(type="image", data=data, mime_type="image/jpeg")


def progress_to(context: Context) -> Callable[[Progress], None]:
    """Report progress to a client, from any thread. Call it in the event loop."""
    loop = asyncio.get_running_loop()

    def report(progress: Progress) -> None:
        told = context.report_progress(progress.done, progress.total, progress.stage)
        asyncio.run_coroutine_threadsafe(told, loop)

    return report


def part_of(start_seconds: float | None, end_seconds: float | None) -> TimeSpan | None:
    """The part of a video that a client names; None for all of it.

    Raises:
        QueryError: a half of a part, or a part that ends before its start.
    """
    if start_seconds is None and end_seconds is None:
        return None
    if start_seconds is None or end_seconds is None:
        raise QueryError("a part needs start_seconds and end_seconds")
    try:
        return TimeSpan(start_seconds, end_seconds)
    except ValueError as error:
        raise QueryError(str(error)) from error
