"""The tools that label, summarise, recommend, explain and find the unusual."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from mcp_types import CallToolResult, ImageContent
from pydantic import Field

from vidseek.core.job import Job
from vidseek.core.types import VideoFilter
from vidseek.exports.explanation import explanation_document, explanation_picture
from vidseek.mcp.documents import span_document, warning_documents
from vidseek.mcp.tools import File, Glob, Tools, part_of, result_of
from vidseek.search.understanding.label_sets import bundled_labels
from vidseek.web.text import path_text, safe_text

MAX_FRAMES = 100
MAX_MOMENTS = 100
MAX_LABELS = 1_000

OptionalFile = Annotated[
    str | None,
    Field(description="A video: absolute path, or relative to a media folder of the server."),
]
Moments = Annotated[int, Field(ge=1, le=MAX_MOMENTS, description="Moments, at most.")]


class UnderstandingTools(Tools):
    """All tools on one library."""

    async def classify(
        self,
        labels: Annotated[
            list[str],
            Field(max_length=MAX_LABELS, description="Labels to choose from, in plain words."),
        ] = [],  # noqa: B006 - a field's default, which is copied
        label_set: Annotated[
            Literal["everyday", "actions", "places"] | None,
            Field(description="Labels that come with vidseek."),
        ] = None,
        file: OptionalFile = None,
        path_glob: Glob = None,
        by_clip: Annotated[bool, Field(description="Label every clip, not whole videos.")] = False,
        max_moments: Moments = 20,
    ) -> CallToolResult:
        """Say which labels fit videos; without labels, those that the library has learned."""

        def work(job: Job) -> CallToolResult:
            names = [*labels, *(bundled_labels(label_set) if label_set else ())]
            found = self._library.classify(
                None if file is None else [self._find(file)],
                names or None,
                where=VideoFilter(path_glob=path_glob),
                by_clip=by_clip,
                job=job,
            )
            moments = [
                {
                    "path": path_text(each.video.path),
                    **span_document(each.span),
                    "labels": [
                        {"label": safe_text(label.label), "confidence": round(label.confidence, 4)}
                        for label in each.labels
                    ],
                }
                for each in found
                if self._roots.contain(each.video.path)
            ]
            return result_of({"moment_count": len(moments), "moments": moments[:max_moments]})

        return await self._answer(work)

    async def labels(self) -> CallToolResult:
        """List the labels that the library has learned from examples."""

        def work(job: Job) -> CallToolResult:
            found = [
                {
                    "name": safe_text(each.name),
                    "examples": each.positives,
                    "is_trained": each.fingerprint is not None,
                    "clips": each.clips,
                }
                for each in self._library.labels.list()
            ]
            return result_of({"labels": found})

        return await self._answer(work)

    async def summary(
        self,
        file: File,
        frames: Annotated[int, Field(ge=1, le=MAX_FRAMES, description="Key frames, at most.")] = 12,
        query: Annotated[
            str | None, Field(description="Summarise only what matches this description.")
        ] = None,
    ) -> CallToolResult:
        """List the moments that cover what a video shows, in order of time."""

        def work(job: Job) -> CallToolResult:
            path = self._find(file, missing_ok=True)
            found = self._library.summary(path, frames=frames, query=query, job=job)
            moments = [
                {"seconds": round(each.seconds, 3), **span_document(each.span)} for each in found
            ]
            return result_of({"path": path_text(path), "frames": moments})

        return await self._answer(work)

    async def outliers(
        self,
        file: OptionalFile = None,
        path_glob: Glob = None,
        normal: Annotated[
            str | None, Field(description="File, folder or pattern of normal footage.")
        ] = None,
        k: Moments = 10,
    ) -> CallToolResult:
        """Find moments unlike the rest, or unlike normal footage; a score of 3 is unusual."""

        def work(job: Job) -> CallToolResult:
            found = self._library.outliers(
                None if file is None else self._find(file, missing_ok=True),
                k,
                where=VideoFilter(path_glob=path_glob),
                normal=None if normal is None else VideoFilter(path_glob=normal),
                job=job,
            )
            moments = []
            for each in found:
                if not self._roots.contain(each.video.path):
                    continue
                nearest: dict[str, Any] | None = None
                if self._roots.contain(each.nearest.video.path):
                    near = each.nearest
                    nearest = {"path": path_text(near.video.path), **span_document(near.span)}
                moments.append(
                    {
                        "path": path_text(each.video.path),
                        **span_document(each.span),
                        "score": round(each.score, 4),
                        "nearest": nearest,
                    }
                )
            return result_of({"moments": moments})

        return await self._answer(work)

    async def related(
        self,
        liked: Annotated[
            list[str], Field(min_length=1, max_length=50, description="Files that were liked.")
        ],
        disliked: Annotated[
            list[str], Field(max_length=50, description="Files unlike those to recommend.")
        ] = [],  # noqa: B006 - a field's default, which is copied
        k: Moments = 10,
        path_glob: Glob = None,
    ) -> CallToolResult:
        """Recommend videos like those that somebody liked, each with the reason."""

        def work(job: Job) -> CallToolResult:
            found = self._library.related(
                [self._find(file) for file in liked],
                k,
                disliked=[self._find(file) for file in disliked],
                where=VideoFilter(path_glob=path_glob),
                job=job,
            )
            videos = [
                {
                    "path": path_text(each.video.path),
                    "score": round(each.score, 4),
                    **span_document(each.span),
                    "because": {
                        "path": path_text(each.because.path),
                        **span_document(each.because.span),
                    },
                }
                for each in found
                if self._roots.contain(each.video.path)
            ]
            return result_of({"videos": videos})

        return await self._answer(work)

    async def explain(
        self,
        text: Annotated[str, Field(description="What was looked for.")],
        file: File,
        at_seconds: Annotated[
            float | None,
            Field(description="Time of the frame, in seconds. Default: the best frame."),
        ] = None,
        picture: Annotated[
            bool, Field(description="Also return heat maps of where each word looks.")
        ] = True,
    ) -> CallToolResult:
        """Say why a moment matches a description: where each word looks, scores over time."""

        def work(job: Job) -> CallToolResult:
            path = self._find(file)
            found = self._library.explain(text, path, at_seconds, job=job)
            document = {
                **explanation_document(found),
                "path": path_text(found.video.path),
                "warnings": warning_documents(found.warnings, self._word_hint),
            }
            if not picture:
                return result_of(document)
            job.check()
            data = base64.b64encode(explanation_picture(found)).decode()
            return result_of(
                document, [ImageContent(type="image", data=data, mime_type="image/png")]
            )

        return await self._answer(work)

    async def describe(
        self,
        file: File,
        start_seconds: Annotated[
            float | None, Field(description="Start of the part, in seconds.")
        ] = None,
        end_seconds: Annotated[
            float | None, Field(description="End of the part, in seconds.")
        ] = None,
        labels: Annotated[
            int, Field(ge=1, le=MAX_MOMENTS, description="Labels of each set, at most.")
        ] = 8,
    ) -> CallToolResult:
        """Say what a video or a part of it shows: labels, and the captions that are stored."""

        def work(job: Job) -> CallToolResult:
            found = self._library.describe(
                self._find(file, missing_ok=True),
                span=part_of(start_seconds, end_seconds),
                labels=labels,
                job=job,
            )
            return result_of(
                {
                    "path": path_text(found.video.path),
                    **span_document(found.span),
                    "labels": [
                        {"label": safe_text(each.label), "confidence": round(each.confidence, 4)}
                        for each in found.labels
                    ],
                    "captions": [
                        {**span_document(each.span), "text": safe_text(each.text)}
                        for each in found.captions
                    ],
                    "warnings": warning_documents(found.warnings, self._word_hint),
                }
            )

        return await self._answer(work)
