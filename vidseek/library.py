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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vidseek.core import arguments
from vidseek.core.errors import JobCancelledError, LibraryLockedError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import Calibration
from vidseek.descriptions import LibraryDescriptions
from vidseek.discovery import LibraryDiscovery
from vidseek.explanations import LibraryExplanations
from vidseek.models import check_model, load_model
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.doctor import DoctorReport
    from vidseek.encoders.base import Encoder
    from vidseek.indexer import IndexReport
    from vidseek.search.evaluation.report import EvaluationReport
    from vidseek.search.moments.calibration.report import CalibrationReport
    from vidseek.video import SamplingPlan


def default_library_folder() -> Path:
    """The folder of the default library, in the platform's folder for user data."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("vidseek", appauthor=False)) / "default"


class Library(LibraryExplanations, LibraryDescriptions, LibraryDiscovery):
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
            with contextlib.suppress(LibraryLockedError, JobCancelledError):
                self.labels.update(job=job)
            if job is not None and job.is_cancelled:  # the next run does the rest
                report = replace(report, interrupted=True)
        return report

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
        of its own. A copy of the right video that the library knows is right too.

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
