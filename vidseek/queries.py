"""The methods of a library that find moments, and that give its vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidseek.catalog import LibraryCatalog
from vidseek.core import arguments
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import (
    QueryTerms,
    SearchOptions,
    SearchResult,
    TimeSpan,
    VectorLevel,
    VideoFilter,
)
from vidseek.core.types.search import DEFAULT_LIKE_WEIGHT

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.vectors import LibraryVectors
    from vidseek.video.limits import DecodeLimits

EVERYTHING = VideoFilter()


class LibraryQueries(LibraryCatalog):
    """See ``vidseek.Library``."""

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        not_text: str | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        copies: bool = False,
        rerank: bool = True,
        refine_spans: bool = False,
        then: Sequence[str] = (),
        within_seconds: float | None = None,
        like: AnyPath | None = None,
        like_weight: float = DEFAULT_LIKE_WEIGHT,
        not_like: AnyPath | None = None,
        not_like_span: TimeSpan | None = None,
        model: str | Encoder | None = None,
        cursor: str | None = None,
        job: Job | None = None,
    ) -> SearchResult:
        """Find the moments that match a text, best first.

        Args:
            text: what to look for.
            k: number of hits; fewer only if the library has fewer moments.
            not_text: what the moments should not show.
            where: which videos to search.
            per_video: maximum number of hits per video.
            copies: True lists every copy of a moment as a hit of its own; by default the copies
                that the library knows are one hit, with the others in ``SearchHit.copies``.
            rerank: False skips the second stage.
            refine_spans: begin and end hits where the similarity to the best clip and to the text
                falls, not by merging neighbouring clips that score alike.
            then: texts of steps that follow in the same video, in order. A hit spans the steps,
                which are in ``SearchHit.steps``.
            within_seconds: each step begins at most this long after the step before ends.
            like: a picture or video that the moments should resemble, too. Such hits have no
                confidence.
            like_weight: weight of ``like``; the text has weight 1.
            not_like: a picture or video that the moments should not resemble.
            not_like_span: the part of ``not_like`` that they should not resemble; None for all.
            model: one of ``models.list()``, by name or fingerprint, or its encoder; None for the
                active model. A warning says if the model has not encoded every video.
            cursor: ``next_cursor`` of this query's last page, for the next one.
            job: reports the reading of ``like`` and ``not_like``, and cancels it.

        Returns:
            A page of hits, warnings about them, and the cursor of the next page.

        Raises:
            QueryError: an empty text, ``k`` under 1, a filter that contradicts itself, a cursor of
                another query, a time between steps that is not above 0, a part that ``not_like``
                does not have, ...
            PathNotFoundError: ``like`` or ``not_like`` does not exist.
            VideoError: ``like`` or ``not_like`` cannot be read.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        options = SearchOptions(k=k, where=where, per_video=per_video, copies=copies, cursor=cursor)
        arguments.text(text, "text")
        if not_text is not None:
            arguments.text(not_text, "not_text")
        arguments.flag(rerank, "rerank")
        arguments.flag(refine_spans, "refine_spans")
        terms = QueryTerms(
            then=arguments.texts(then, "then"),
            within_seconds=within_seconds,
            like=None if like is None else arguments.path(like, "like"),
            like_weight=like_weight,
            not_like=None if not_like is None else arguments.path(not_like, "not_like"),
            not_like_span=not_like_span,
        )
        check_job(job)
        return self._search_engine(model).search(
            text,
            options,
            not_text=not_text,
            rerank=rerank,
            refine_spans=refine_spans,
            terms=terms,
            job=job,
        )

    def search_many(
        self,
        texts: Sequence[str],
        k: int = 10,
        *,
        not_text: str | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        copies: bool = False,
        rerank: bool = True,
        refine_spans: bool = False,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> list[SearchResult]:
        """Answer many text queries: one batch for the encoder and one call of the index.

        Args:
            texts: what to look for.
            k: number of hits for each text.
            not_text: as for ``search``, like the other options; they apply to every text.
            where: which videos to search.
            per_video: maximum number of hits per video.
            copies: True lists every copy of a moment as a hit of its own.
            rerank: False skips the second stage.
            refine_spans: begin and end hits where the scene does.
            model: one of ``models.list()``; None for the active model.
            job: reports progress and cancels.

        Returns:
            For each text what ``search`` returns for it, to the rounding of float32.

        Raises:
            TypeError: ``texts`` is a single string.
            QueryError: as for ``search``; one text that is empty, and nothing was searched.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.moments.batch import search_many

        options = SearchOptions(k=k, where=where, per_video=per_video, copies=copies)
        given = list(arguments.texts(texts, "texts"))
        if not_text is not None:
            arguments.text(not_text, "not_text")
        arguments.flag(rerank, "rerank")
        arguments.flag(refine_spans, "refine_spans")
        check_job(job)
        return search_many(
            self._search_engine(model),
            given,
            options,
            not_text=not_text,
            rerank=rerank,
            refine_spans=refine_spans,
            job=job,
        )

    def similar(
        self,
        file: AnyPath,
        k: int = 10,
        *,
        span: TimeSpan | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        copies: bool = False,
        exclude_itself: bool = False,
        model: str | Encoder | None = None,
        cursor: str | None = None,
        limits: DecodeLimits | None = None,
        job: Job | None = None,
    ) -> SearchResult:
        """Find moments similar to a picture, a video or a part of a video, best first.

        Args:
            file: a picture or a video, in the library or not.
            k: number of hits; fewer only if the library has fewer moments.
            span: the part of the video to compare; None for all of it.
            where: which videos to search.
            per_video: maximum number of hits per video.
            copies: as for ``search``.
            exclude_itself: leave out moments of the query itself, if it is in the library.
            model: as for ``search``.
            cursor: as for ``search``.
            limits: what a video may be and take if it is decoded, as for ``check``.
            job: reports progress and cancels.

        Returns:
            A page of hits without confidences, warnings, and the cursor of the next page.

        Raises:
            PathNotFoundError: the file does not exist.
            QueryError: the video has no such part, ``k`` is under 1, ...
            VideoError: the file cannot be read.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        options = SearchOptions(k=k, where=where, per_video=per_video, copies=copies, cursor=cursor)
        path = arguments.path(file, "file")
        if span is not None:
            arguments.instance(span, TimeSpan, "span")
        arguments.flag(exclude_itself, "exclude_itself")
        if limits is not None:
            from vidseek.video.limits import DecodeLimits

            arguments.instance(limits, DecodeLimits, "limits")
        check_job(job)
        return self._search_engine(model).similar(
            path,
            options,
            span=span,
            exclude_itself=exclude_itself,
            job=job,
            limits=limits,
        )

    def similarity_curve(
        self, video_id: int, text: str, *, model: str | Encoder | None = None
    ) -> list[tuple[TimeSpan, float]]:
        """How much each clip of a video looks like a text, in order of time.

        Args:
            video_id: ``Video.id`` of a video in the library.
            text: what to look for.
            model: as for ``search``.

        Returns:
            The clips' spans and their scores, before the second stage.

        Raises:
            PathNotFoundError: no video has this id.
            QueryError: an empty text.
            EncoderError: the library is not encoded with that model, or the model is not there.
        """
        arguments.text(text, "text")
        video = self.stored_video(video_id)
        return self._search_engine(model).similarity_curve(video.id, text)

    def vectors(
        self,
        level: VectorLevel = "clips",
        *,
        where: VideoFilter = EVERYTHING,
        model: str | Encoder | None = None,
    ) -> LibraryVectors:
        """The stored vectors of all searchable clips or frames, with videos and times.

        Args:
            level: a vector for each clip, or for each sampled frame: ``clips`` or ``frames``.
            where: which videos.
            model: as for ``search``; it is not loaded.

        Returns:
            Vectors to iterate over in batches, to read at once or to write to a Parquet file.

        Raises:
            EncoderError: the library is not encoded with that model.
            LibraryError: the library has no model yet.
        """
        from vidseek.vectors import LibraryVectors, stored_spec

        return LibraryVectors(self._store, stored_spec(self.models, model), level, where)
