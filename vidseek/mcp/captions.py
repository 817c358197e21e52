"""The tools that search captions, write them and answer questions."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from mcp_types import CallToolResult
from pydantic import Field

from vidseek.core.job import Job
from vidseek.core.types import VideoFilter
from vidseek.library import Library
from vidseek.mcp.documents import WordHint, span_document
from vidseek.mcp.tools import Count, File, Glob, Pictures, part_of, progress_to, result_of
from vidseek.mcp.understanding import UnderstandingTools
from vidseek.web.captioner import ServerCaptioner
from vidseek.web.roots import MediaRoots
from vidseek.web.text import path_text, safe_text

MAX_ASKED_FRAMES = 64
MAX_CAPTIONS = 200

PartStart = Annotated[float | None, Field(description="Start of the part, in seconds.")]
PartEnd = Annotated[float | None, Field(description="End of the part, in seconds.")]


class CaptionTools(UnderstandingTools):
    """All tools on one library."""

    def __init__(
        self, library: Library, roots: MediaRoots, word_hint: WordHint, captioner: ServerCaptioner
    ) -> None:
        """Answer from a library.

        Args:
            library: the open library.
            roots: no file outside them is read or named.
            word_hint: words hints for the user.
            captioner: writes captions and answers questions.
        """
        super().__init__(library, roots, word_hint)
        self.captioner = captioner

    async def search_captions(
        self,
        text: Annotated[str, Field(description="Words of a caption; rare words count more.")],
        k: Count = 5,
        path_glob: Glob = None,
        thumbnails: Pictures = True,
    ) -> CallToolResult:
        """Find moments by the words of the captions that were written for them, best first."""

        def work(job: Job) -> CallToolResult:
            where = VideoFilter(path_glob=path_glob)
            result = self._library.search_captions(text, k, where=where)
            return self._hits(result, thumbnails=thumbnails)

        return await self._answer(work)

    async def ask(
        self,
        file: File,
        question: Annotated[str, Field(description="A question about what can be seen.")],
        start_seconds: PartStart = None,
        end_seconds: PartEnd = None,
        frames: Annotated[
            int, Field(ge=1, le=MAX_ASKED_FRAMES, description="Frames to look at, at most.")
        ] = 8,
    ) -> CallToolResult:
        """Answer a question about a video with a vision model, from the frames most like it."""

        def work(job: Job) -> CallToolResult:
            found = self._library.ask(
                self._find(file),
                question,
                self.captioner.answerer(),
                span=part_of(start_seconds, end_seconds),
                frames=frames,
                job=job,
            )
            return result_of(
                {
                    "path": path_text(found.video.path),
                    "question": safe_text(found.question),
                    "answer": safe_text(found.text),
                    "votes": round(found.votes, 4),
                    "frames": [
                        {"seconds": round(each.seconds, 3), "score": round(each.score, 4)}
                        for each in found.frames
                    ],
                }
            )

        return await self._answer(work)

    async def write_captions(
        self,
        context: Context,
        file: File,
        start_seconds: PartStart = None,
        end_seconds: PartEnd = None,
        captions: Annotated[
            int, Field(ge=1, le=MAX_CAPTIONS, description="Captions, of evenly spaced clips.")
        ] = 12,
    ) -> CallToolResult:
        """Write captions of a video with a vision model, and store them. It may take minutes."""

        def work(job: Job) -> CallToolResult:
            found = self._library.describe(
                self._find(file),
                self.captioner.writer(),
                span=part_of(start_seconds, end_seconds),
                labels=0,
                captions=captions,
                job=job,
            )
            written = [
                {**span_document(each.span), "text": safe_text(each.text)}
                for each in found.captions
            ]
            return result_of({"path": path_text(found.video.path), "captions": written})

        return await self._answer(work, on_progress=progress_to(context))
