"""The public Python API: open a library of videos, index, search and check it.

with vidseek.open("footage-library") as library:
    report = library.index(["~/Movies"])
    hits = library.search("a red car at night", k=5)

Opening is fast: the encoder, the video readers and the index are loaded on first use. A search
loads no video decoder, and a listing loads no model.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vidseek.core.errors import Hint, LibraryLockedError, PathNotFoundError
from vidseek.core.job import Job
from vidseek.core.paths import AnyPath, absolute_path
from vidseek.core.types import (
    Calibration,
    Clip,
    CopyVerdict,
    DuplicateGroup,
    LibraryStatistics,
    SearchOptions,
    SearchResult,
    TimeSpan,
    VectorLevel,
    Video,
    VideoFilter,
    VideoState,
)
from vidseek.models import LibraryModels, check_model
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.doctor import DoctorReport
    from vidseek.encoders.base import Encoder
    from vidseek.encoders.copies.descriptor import CopyDescriptor
    from vidseek.indexer import IndexReport
    from vidseek.search import SearchEngine
    from vidseek.search.copies.scoring import Threshold
    from vidseek.search.evaluation.report import EvaluationReport
    from vidseek.search.moments.calibration.report import CalibrationReport
    from vidseek.vectors import LibraryVectors
    from vidseek.video import SamplingPlan

EVERYTHING = VideoFilter()


@dataclass(frozen=True)
class VideoDetails:
    """Everything stored about one video."""

    video: Video
    clips: tuple[Clip, ...]
    """In order of time; empty if the video could not be read."""
    thumbnails: tuple[Path | None, ...]
    """A JPEG per clip, None if the file is gone."""


def default_library_folder() -> Path:
    """The folder of the default library, in the platform's folder for user data."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("vidseek", appauthor=False)) / "default"


class Library:
    """A library: a folder with the metadata and vectors of videos, not the videos themselves.

    Use it in ``with``, or call ``close()``. It can be searched from several threads, and while
    another process or thread indexes.
    """

    def __init__(
        self,
        store: LibraryStore,
        *,
        encoder: str | Encoder | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> None:
        """Use ``Library.open``."""
        self._store = store
        self.models = LibraryModels(store, encoder=encoder, confirm_download=confirm_download)
        """The models of the library: list, add, switch and drop them."""
        self._engines: dict[str, SearchEngine] = {}
        self._descriptor: CopyDescriptor | None = None
        self._lock = threading.RLock()

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
                model in a new library.
            database_url: SQLAlchemy URL of another database for the metadata.
            confirm_download: called with a repository and a size in bytes before a model is
                downloaded; without it, nothing is downloaded.

        Raises:
            LibraryError: the folder is not a library, is damaged, too new, or missing while
                ``create`` is False. The subclass says which.
            TypeError: ``encoder`` is neither a name nor an ``Encoder``.
        """
        if encoder is not None:
            check_model(encoder, "encoder")
        folder = default_library_folder() if path is None else absolute_path(path)
        store = LibraryStore.open(folder, create=create, database_url=database_url)
        return cls(store, encoder=encoder, confirm_download=confirm_download)

    @property
    def folder(self) -> Path:
        """Folder of the library."""
        return self._store.folder

    @property
    def encoder(self) -> Encoder:
        """The encoder that turns frames and text into vectors, loaded on first use.

        Raises:
            UnknownEncoderError: no encoder has that name.
            WeightsError: its weights are missing or damaged.
            EncoderError: a third-party model cannot be downloaded or used; the subclass says why.
        """
        return self.models.encoder_for(None)

    def _search_engine(self, model: str | Encoder | None) -> SearchEngine:
        from vidseek.search import SearchEngine

        encoder = self.models.encoder_for(model)  # may load a model: not under the lock
        fingerprint = encoder.spec.fingerprint
        with self._lock:
            engine = self._engines.get(fingerprint)
            if engine is None or engine.encoder is not encoder:
                engine = self._engines[fingerprint] = SearchEngine(self._store, encoder)
            return engine

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
            exclude=tuple(exclude),
            follow_symlinks=follow_symlinks,
            plan=plan or SamplingPlan(),
            workers=workers,
            prune=prune,
            retry_failed=retry_failed,
            wait_seconds=wait_seconds,
        )
        given = [paths] if isinstance(paths, str | os.PathLike) else paths
        descriptor = self._copy_descriptor
        indexer = Indexer(self._store, self.encoder, options=options, descriptor=descriptor)
        report = indexer.run([absolute_path(path) for path in given], job=job)
        if not report.interrupted:
            # Another process may have started a run; that run or the next compares them.
            with contextlib.suppress(LibraryLockedError):
                self.compare_new_videos(job=job)
        return report

    def compare_new_videos(self, *, job: Job | None = None) -> int:
        """Find the copies among the videos indexed since the last comparison, and store them.

        ``index`` does this at its end unless it is interrupted or another process has begun a run.
        A library that cannot be written to is left as it is.

        Args:
            job: reports progress; if it is cancelled, the comparisons done so far are stored.

        Returns:
            Number of videos compared.

        Raises:
            LibraryLockedError: another process holds the library for a long run.
        """
        from vidseek.search.copies.comparison import compare_new_videos

        return compare_new_videos(self._store, self._copy_descriptor, job=job)

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
        return self._search_engine(model).search(
            text,
            SearchOptions(k=k, where=where, per_video=per_video, copies=copies, cursor=cursor),
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

        if isinstance(texts, str):
            raise TypeError("texts must be several strings: use search for one")
        return search_many(
            self._search_engine(model),
            list(texts),
            SearchOptions(k=k, where=where, per_video=per_video, copies=copies),
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
        return self._search_engine(model).similar(
            absolute_path(file),
            SearchOptions(k=k, where=where, per_video=per_video, copies=copies, cursor=cursor),
            span=span,
            exclude_itself=exclude_itself,
            job=job,
        )

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

    def check(
        self,
        path: AnyPath,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
        job: Job | None = None,
    ) -> CopyVerdict:
        """Detect whether a video is a copy of one in the library. Nothing is added.

        Args:
            path: the video to check.
            threshold: match strictness: ``strict``, ``normal`` or ``loose``.
            min_score: also list matches scoring at least this; the verdict does not change.
            job: reports progress and cancels.

        Raises:
            PathNotFoundError: the file does not exist.
            QueryError: the threshold is unknown.
            VideoError: the file cannot be read.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.copies.checker import CopyChecker

        checker = CopyChecker(self._store, self._copy_descriptor)
        return checker.check(absolute_path(path), threshold=threshold, min_score=min_score, job=job)

    def duplicates(self) -> list[DuplicateGroup]:
        """Groups of videos that are copies of each other, largest first.

        Covers the videos that ``compare_new_videos`` has compared. Nothing is written.
        """
        from vidseek.search.copies.duplicate_groups import duplicate_groups

        return duplicate_groups(self._store)

    def plot_duplicates(self, file: AnyPath, groups: Sequence[DuplicateGroup]) -> None:
        """Draw a timeline of the parts that groups share into a PNG file."""
        from vidseek.timeline_plot import plot_groups

        plot_groups(absolute_path(file), groups, self._store.copy_matches.read())

    @property
    def _copy_descriptor(self) -> CopyDescriptor:
        if self._descriptor is None:
            from vidseek.encoders.pool import encoder_pool

            self._descriptor = encoder_pool().copy_descriptor()
        return self._descriptor

    def calibrate(
        self,
        captions: AnyPath | None = None,
        *,
        queries: Sequence[str] | None = None,
        override: bool = False,
        hubness: bool | None = None,
        job: Job | None = None,
    ) -> CalibrationReport:
        """Fit the confidence of hits to this library and its encoder, and store it.

        Later searches of this library with this encoder use it instead of the encoder's own
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
            CalibrationError: under 20 clips, too few captions or queries, or uninformative
                scores; nothing was stored.
            PathNotFoundError: the file of captions does not exist.
            TrainingError: the file of captions is not text.
            EncoderError: the library was indexed with another encoder.
            LibraryLockedError: another process kept the database busy for 30 seconds.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.moments.calibration.calibrate import CalibrationOptions, calibrate

        options = CalibrationOptions(
            captions=None if captions is None else absolute_path(captions),
            queries=queries,
            override=override,
            hubness=hubness,
        )
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

        read = read_captions(absolute_path(captions), check_files=False)
        engine = self._search_engine(model)
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

    def videos(
        self,
        *,
        states: Collection[VideoState] | None = None,
        under: AnyPath | None = None,
    ) -> list[Video]:
        """List the videos of the library, ordered by path.

        Args:
            states: only videos in these states; None for all.
            under: only this file, or everything in this folder.
        """
        folder = None if under is None else absolute_path(under)
        videos = self._store.videos.select(states=states, under=folder)
        return sorted(videos, key=lambda video: video.path)

    def failed(self) -> list[Video]:
        """List the files that could not be read; ``Video.failure`` says why."""
        return self.videos(states=[VideoState.FAILED])

    def info(self, path: AnyPath) -> VideoDetails:
        """Look up one video with its clips and thumbnails.

        Raises:
            PathNotFoundError: the video is not in the library.
        """
        wanted = absolute_path(path)
        video = self._store.videos.at(wanted)
        if video is None:
            video = self._store.videos.at(wanted.resolve())
        if video is None:
            raise PathNotFoundError(
                f"{wanted} is not in the library {self.folder}", hint=Hint("list_or_index")
            )
        clips = self._store.videos.clips(video.id)
        thumbnails = (
            self._store.thumbnail_path(video.content_hash, clip.middle_frame_seconds)
            for clip in clips
        )
        return VideoDetails(
            video, tuple(clips), tuple(path if path.is_file() else None for path in thumbnails)
        )

    def statistics(self) -> LibraryStatistics:
        """Counts and sizes of the library."""
        return self._store.statistics()

    def remove(self, path: AnyPath) -> int:
        """Remove a video, or all videos in a folder, from the library. The files are not touched.

        Returns:
            Number of videos removed.

        Raises:
            PathNotFoundError: the library has no video there.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        wanted = absolute_path(path)
        videos = self._store.videos.select(under=wanted)
        if not videos:
            raise PathNotFoundError(
                f"the library {self.folder} has no video at {wanted}", hint=Hint("list_videos")
            )
        return self._store.remove_videos([video.id for video in videos])

    def relocate(self, old: AnyPath, new: AnyPath) -> int:
        """Update the path of a moved file or folder. No video is read.

        Returns:
            Number of videos with a new path.

        Raises:
            PathNotFoundError: the library has no video at ``old``.
            LibraryError: another video is stored at a new path; nothing was changed.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        before, after = absolute_path(old), absolute_path(new)
        moved = self._store.videos.relocate(before, after)
        if moved == 0:
            raise PathNotFoundError(
                f"the library {self.folder} has no video at {before}", hint=Hint("list_videos")
            )
        return moved

    def doctor(self, *, repair: bool = True, job: Job | None = None) -> DoctorReport:
        """Examine this machine and the library.

        Args:
            repair: rebuild damaged indexes, and delete files that nothing refers to.
            job: reports progress and cancels.

        Raises:
            JobCancelledError: the job was cancelled.
        """
        from vidseek.doctor import examine, examine_library

        return examine(examine_library(self._store, repair=repair, job=job))

    def close(self) -> None:
        """Release the library's files and models. Closing twice is harmless."""
        self.models.close()
        self._engines.clear()
        self._descriptor = None
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Library({str(self.folder)!r})"


open = Library.open
