"""The methods of a library that say what its videos show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.errors import Hint
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import (
    Classification,
    SearchWarning,
    TimeSpan,
    Video,
    VideoFilter,
)
from vidseek.labels import LibraryLabels, check_within
from vidseek.queries import EVERYTHING, LibraryQueries

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.search.moments.catalog_rows import KeptRows
    from vidseek.search.understanding.classify import Labelling

Part = tuple[AnyPath, TimeSpan | None]
"""A video and the part of it that is meant; None for the whole video."""


class LibraryUnderstanding(LibraryQueries):
    """See ``vidseek.Library``."""

    @property
    def labels(self) -> LibraryLabels:
        """The labels of the library, which it learns from examples."""
        return LibraryLabels(self._store, self.models)

    def classify(
        self,
        videos: Sequence[AnyPath | Part] | None = None,
        labels: Sequence[str] | None = None,
        *,
        where: VideoFilter = EVERYTHING,
        k: int = 5,
        min_confidence: float = 0.1,
        by_clip: bool = False,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> Classification:
        """Say which labels fit videos, parts of videos or every clip. No video is read.

        Args:
            videos: videos of the library, each a path or a path and a span; None for all.
            labels: in plain words, such as those of ``label_set``; duplicates count once. None for
                the labels that the library has learned from examples.
            where: which of the videos.
            k: labels of a moment at most.
            min_confidence: labels below this are left out.
            by_clip: label every clip by itself, not the whole video.
            model: one of ``models.list()``; None for the active model.
            job: reports progress and cancels.

        Returns:
            A moment for each video or clip, most confident first. ``none of these`` is the only
            label of a moment without a confident label; a model without calibration cannot tell
            that, which is a warning.

        Raises:
            QueryError: no label, an empty label, a filter that contradicts itself, a span outside
                its video, ``k`` under 1.
            PathNotFoundError: a video is not in the library.
            EncoderError: the library is not encoded with that model, the model is not there, or
                the labels were learned with another model.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.moments.query import check_filter
        from vidseek.search.understanding.classify import ClassifyOptions, classify_videos

        options = ClassifyOptions(k=k, min_confidence=min_confidence, by_clip=by_clip)
        arguments.instance(where, VideoFilter, "where")
        check_filter(where)
        check_job(job)
        job = job or Job()
        named = None if videos is None else self._parts(videos, where)
        if labels is None:
            fingerprint, labelling = self.labels.labelling(model)
            warnings: list[SearchWarning] = []
        else:
            given = arguments.texts(labels, "labels")
            fingerprint, labelling, warnings = self._zero_shot(given, model, job)
        with self._store.snapshot():
            parts = self._searchable(where, labelling.kept) if named is None else named
            moments = classify_videos(self._store, fingerprint, labelling, parts, options, job=job)
        if not parts:
            message, hint = f"{self.folder} has no searchable video to classify", Hint("index")
            if not where.is_empty:
                message, hint = f"{message} that passes the filters", Hint("list_videos")
            empty = SearchWarning("empty_library", message, hint)
            return Classification((), (empty, *warnings))
        return Classification(tuple(moments), tuple(warnings))

    def _zero_shot(
        self, labels: Sequence[str], model: str | Encoder | None, job: Job
    ) -> tuple[str, Labelling, list[SearchWarning]]:
        from vidseek.search.understanding.classify import Labelling
        from vidseek.search.understanding.zero_shot import ZeroShotClassifier, unique_labels

        unique_labels(labels)  # refused before a model is loaded
        engine = self._search_engine(model)
        engine.context(EVERYTHING)  # refuses an encoder whose vectors the library does not have
        classifier = ZeroShotClassifier(engine, labels, job=job)
        labelling = Labelling(
            classifier.labels,
            classifier.confidences,
            has_none=classifier.is_calibrated,
            are_exclusive=True,
            kept=classifier.kept,
        )
        return engine.encoder.spec.fingerprint, labelling, classifier.warnings()

    def _parts(
        self, videos: Sequence[AnyPath | Part], where: VideoFilter
    ) -> list[tuple[Video, TimeSpan | None]]:
        """The searchable videos that are meant, in order, and their parts."""
        if isinstance(videos, str | bytes):
            raise arguments.wrong_type("videos", "a list of paths", videos)
        chosen = [self._part(each) for each in videos]
        passing = self._store.videos.passing({video.id for video, _ in chosen}, where)
        return [part for part in chosen if part[0].id in passing]

    def _searchable(
        self, where: VideoFilter, kept: KeptRows | None
    ) -> list[tuple[Video, TimeSpan | None]]:
        """All searchable videos that pass a filter, whole. Call it within a snapshot."""

        def read() -> list[Video]:
            return self._store.videos.searchable(where)

        if kept is not None and where.is_empty:
            videos = kept.now().fact("searchable", read)
        else:
            videos = read()
        return [(video, None) for video in videos]

    def _part(self, given: AnyPath | Part) -> tuple[Video, TimeSpan | None]:
        path, span = given if isinstance(given, tuple) else (given, None)
        video = self._video_at(path)
        if span is not None:
            arguments.instance(span, TimeSpan, "span")
            check_within(span, video)
        return video, span
