"""The public Python API: open a library of videos, index, search and check it.

with vidseek.open("footage-library") as library:
    report = library.index(["~/Movies"])
    hits = library.search("a red car at night", k=5)

Opening is fast: the encoder, the video readers and the index are loaded on first use. A search
loads no video decoder, and a listing loads no model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vidseek.catalog import LibraryCatalog
from vidseek.copies import LibraryCopies
from vidseek.core import arguments
from vidseek.core.errors import LibraryLockedError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import (
    Calibration,
    SearchOptions,
    SearchResult,
    TimeSpan,
    VectorLevel,
    VideoFilter,
)
from vidseek.models import check_model, load_model
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.doctor import DoctorReport
    from vidseek.encoders.base import Encoder
    from vidseek.indexer import IndexReport
    from vidseek.search.evaluation.report import EvaluationReport
    from vidseek.search.moments.calibration.report import CalibrationReport
    from vidseek.vectors import LibraryVectors
    from vidseek.video import SamplingPlan

EVERYTHING = VideoFilter()


def default_library_folder() -> Path:
    """The folder of the default library, in the platform's folder for user data."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("vidseek", appauthor=False)) / "default"


class Library(LibraryCopies, LibraryCatalog):
    """A library: a folder with the metadata and vectors of videos, not the videos themselves.

    Use it in ``with``, or call ``close()``. It can be searched from several threads, and while
    another process or thread indexes.
    """

    @classmethod
    def open(
        cls,
        path: AnyPath | None = None,
        *,
        create: bool = True,
        encoder: str | Encoder | None = None,
        database_url: str | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> Self:
        """Open the library in a folder.

        Args:
            path: the folder; None for the user's default library.
            create: create the library if it does not exist.
            encoder: a name that ``create_encoder`` knows (``builtin``, ``hf:ORG/NAME``, a model
                folder), or an ``Encoder``; None for the library's active model, or the built-in
                model in a new library. A new library is created once the model is loaded.
            database_url: SQLAlchemy URL of another database for the metadata.
            confirm_download: called with a repository and a size in bytes before a model is
                downloaded; without it, nothing is downloaded.

        Raises:
            LibraryError: the folder is not a library, is damaged, too new, or missing while
                ``create`` is False. The subclass says which.
            EncoderError: a new library's model cannot be loaded; no library was created.
            TypeError: ``encoder`` is neither a name nor an ``Encoder``.
        """
        folder = default_library_folder() if path is None else arguments.path(path, "path")
        arguments.flag(create, "create")
        if database_url is not None:
            arguments.text(database_url, "database_url")
        arguments.function(confirm_download, "confirm_download")
        if encoder is not None:
            check_model(encoder, "encoder")
            if create and isinstance(encoder, str) and LibraryStore.is_new(folder, database_url):
                encoder = load_model(encoder, confirm_download)
                encoder.load()
        store = LibraryStore.open(folder, create=create, database_url=database_url)
        return cls(store, encoder=encoder, confirm_download=confirm_download)

    def index(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        exclude: Sequence[str] = (),
        follow_symlinks: bool = False,
        plan: SamplingPlan | None = None,
        workers: int | None = None,
        prune: bool = False,
        retry_failed: bool = False,
        wait_seconds: float = 0.0,
        job: Job | None = None,
    ) -> IndexReport:
        """Add videos to the library, or update it.

        Unchanged files are not read again, and moved files are recognised by their content.

        Args:
            paths: files and folders; folders are searched recursively.
            exclude: shell patterns of paths to skip.
            follow_symlinks: also enter linked folders.
            plan: which frames to sample; None for ``SamplingPlan()``, the fast plan.
            workers: decoding processes; None chooses by the number of processors.
            prune: remove videos whose files are gone instead of marking them missing.
            retry_failed: read files again that failed before.
            wait_seconds: how long to wait for another process's run to end.
            job: gets ``IndexProgress`` reports; cancelling it ends the run cleanly.

        Returns:
            What was indexed, and every failure with its reason.

        Raises:
            PathNotFoundError: one of the paths does not exist.
            LibraryLockedError: another process holds the library for a long run.
        """
        from vidseek.indexer import Indexer, IndexOptions
        from vidseek.video import SamplingPlan

        options = IndexOptions(
            exclude=arguments.texts(exclude, "exclude"),
            follow_symlinks=follow_symlinks,
            plan=SamplingPlan() if plan is None else plan,
            workers=workers,
            prune=prune,
            retry_failed=retry_failed,
            wait_seconds=wait_seconds,
        )
        given = arguments.paths(paths, "paths")
        check_job(job)
        store = self._store
        descriptor = self._copy_descriptor
        indexer = Indexer(store, self.encoder, options=options, descriptor=descriptor)
        report = indexer.run(given, job=job)
        if not report.interrupted:
            # Another process may have started a run; that run or the next compares them.
            with contextlib.suppress(LibraryLockedError):
                self.compare_new_videos(job=job)
        return report

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
        model: str | Encoder | None = None,
        cursor: str | None = None,
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
            model: one of ``models.list()``, by name or fingerprint, or its encoder; None for the
                active model. A warning says if the model has not encoded every video.
            cursor: ``next_cursor`` of this query's last page, for the next one.

        Returns:
            A page of hits, warnings about them, and the cursor of the next page.

        Raises:
            QueryError: an empty text, ``k`` under 1, a filter that contradicts itself, a cursor of
                another query.
            EncoderError: the library is not encoded with that model, or the model is not there.
        """
        options = SearchOptions(k=k, where=where, per_video=per_video, copies=copies, cursor=cursor)
        arguments.text(text, "text")
        if not_text is not None:
            arguments.text(not_text, "not_text")
        arguments.flag(rerank, "rerank")
        arguments.flag(refine_spans, "refine_spans")
        return self._search_engine(model).search(
            text,
            options,
            not_text=not_text,
            rerank=rerank,
            refine_spans=refine_spans,
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
        check_job(job)
        return self._search_engine(model).similar(
            path,
            options,
            span=span,
            exclude_itself=exclude_itself,
            job=job,
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
        video = self.video(video_id).video
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

    def calibrate(
        self,
        captions: AnyPath | None = None,
        *,
        queries: Sequence[str] | None = None,
        override: bool = False,
        hubness: bool | None = None,
        job: Job | None = None,
    ) -> CalibrationReport:
        """Fit the confidence of hits to this library and its encoder, and store it if it is better.

        With captions, the confidence before and the new one are compared on held-out videos. Later
        searches of this library with this encoder use the better one instead of the encoder's own
        calibration. Without ``hubness``, the order of hits, their scores and spans do not change.

        Args:
            captions: JSON lines as for ``train_on_captions``, of videos in this library; None to
                calibrate without labels.
            queries: queries without labels; None for a list that comes with vidseek.
            override: calibrate without labels even if the encoder has its own calibration, which
                was fitted with labels.
            hubness: correct for hub clips, which match every query. This changes scores and the
                order of hits; the confidence is fitted to the result. False turns the correction
                off, None keeps the current setting.
            job: reports progress and cancels; a cancelled calibration stores nothing.

        Raises:
            CalibrationError: under 20 clips, too few captions or queries, or scores that do not
                tell right answers from wrong ones; nothing was stored.
            PathNotFoundError: the file of captions does not exist.
            TrainingError: the file of captions is not text.
            EncoderError: the library was indexed with another encoder.
            LibraryLockedError: another process kept the database busy for 30 seconds.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.moments.calibration.calibrate import CalibrationOptions, calibrate

        options = CalibrationOptions(
            captions=None if captions is None else arguments.path(captions, "captions"),
            queries=queries,
            override=override,
            hubness=hubness,
        )
        check_job(job)
        return calibrate(self._search_engine(None), options, job=job)

    def evaluate(
        self,
        captions: AnyPath,
        *,
        video_to_text: bool = False,
        rerank: bool = True,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> EvaluationReport:
        """Measure how well captions find their videos: recall at 1, 5 and 10, and median rank.

        Every caption ranks all videos of the library. A captioned part of a video is a candidate
        of its own. A known copy of the right video is right too.

        Args:
            captions: JSON lines as for ``train_on_captions``, of videos in this library.
            video_to_text: also rank the captions for every captioned video.
            rerank: False skips the second stage, as for ``search``.
            model: one of ``models.list()``; None for the active model.
            job: reports progress and cancels.

        Returns:
            The figures with 95 % intervals, and the lines that were not used.

        Raises:
            EvaluationError: no line is of a video that this library can search.
            PathNotFoundError: the file of captions does not exist.
            TrainingError: the file of captions is not text.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.core.captions import read_captions
        from vidseek.search.evaluation.evaluate import evaluate

        file = arguments.path(captions, "captions")
        arguments.flag(video_to_text, "video_to_text")
        arguments.flag(rerank, "rerank")
        check_job(job)
        engine = self._search_engine(model)
        read = read_captions(file, check_files=False)
        return evaluate(engine, read, video_to_text=video_to_text, rerank=rerank, job=job)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration stored for this library's encoder, or None."""
        fingerprint = self.models.active_fingerprint()
        return None if fingerprint is None else self._store.encoders.calibration(fingerprint)

    def forget_calibration(self) -> bool:
        """Remove the stored calibration; the encoder's own is used again, if it has one.

        Returns:
            True if a calibration was stored.

        Raises:
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        fingerprint = self.models.active_fingerprint()
        if fingerprint is None or self.calibration is None:
            return False
        return self._store.encoders.set_calibration(fingerprint, None)

    def doctor(self, *, repair: bool = True, job: Job | None = None) -> DoctorReport:
        """Examine this machine and the library.

        Args:
            repair: rebuild damaged indexes, and delete files that nothing refers to.
            job: reports progress and cancels.

        Raises:
            JobCancelledError: the job was cancelled.
        """
        from vidseek.doctor import examine, examine_library

        arguments.flag(repair, "repair")
        check_job(job)
        return examine(examine_library(self._store, repair=repair, job=job))


open = Library.open
