"""The labels of a library: add examples, train, list.

hits = library.search("a goal", k=20)
library.labels.add("goal", hits[:5])
library.labels.add("goal", [("match.mp4", vidseek.TimeSpan(60, 70))], shown=False)
library.labels.train()
library.search("a player celebrates", where=vidseek.VideoFilter(labels=("goal",)))
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.errors import EncoderError, Hint, PathNotFoundError, QueryError, TrainingError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import (
    LabelExample,
    SearchHit,
    TimeSpan,
    TrainedLabel,
    Video,
    VideoFilter,
)
from vidseek.core.types.labels import NONE_OF_THESE
from vidseek.core.types.search import MAX_HITS
from vidseek.models import LibraryModels
from vidseek.queries import EVERYTHING
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.search.understanding.classify import Labelling

Example = SearchHit | AnyPath | tuple[AnyPath, TimeSpan | None]
"""A hit, a video, or a video and a part of it."""

_logger = logging.getLogger(__name__)


class LibraryLabels:
    """The labels of a library. Get it as ``library.labels``."""

    def __init__(self, store: LibraryStore, models: LibraryModels) -> None:
        """Use ``Library.labels``."""
        self._store = store
        self._models = models

    def add(self, name: str, examples: Iterable[Example], *, shown: bool = True) -> int:
        """Store examples of a label, or of moments that do not show it.

        A new example of the same part of a video replaces the old one. The label changes nothing
        until it is trained.

        Args:
            name: the label; a new one is created.
            examples: hits of a search, or parts of videos of the library.
            shown: False for moments that do not show the label.

        Returns:
            Number of examples.

        Raises:
            QueryError: an empty name, ``none of these``, no example, or a part outside its video.
            PathNotFoundError: a video is not in the library.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        arguments.flag(shown, "shown")
        wanted = label_name(name)
        if wanted.casefold() == NONE_OF_THESE:
            raise QueryError(f"{NONE_OF_THESE!r} is reserved for videos without a label.")
        found = list(dict.fromkeys(self._examples(wanted, examples, shown=shown)))
        if not found:
            raise QueryError(f"There is no example of the label {name!r}.")
        self._store.labels.add_examples(found)
        return len(found)

    def remove(self, name: str, examples: Iterable[Example] | None = None) -> int:
        """Remove examples of a label, or the label with everything learned.

        What was learned from a removed example stays until the label is trained again.

        Args:
            name: the label.
            examples: as they were added; None for the whole label.

        Returns:
            Number of examples removed, or 1 for a label.

        Raises:
            QueryError: the library has no such label.
            PathNotFoundError: a video is not in the library.
        """
        from vidseek.search.moments.query import check_labels

        wanted = label_name(name)
        check_labels([wanted], self._store.labels.names())
        if examples is None:
            return int(self._store.labels.remove(wanted))
        return self._store.labels.remove_examples(self._examples(wanted, examples, shown=True))

    def list(self) -> builtins.list[TrainedLabel]:
        """All labels, by name, with their examples and classifiers."""
        return self._store.labels.trained()

    def train(
        self, name: str | None = None, *, job: Job | None = None
    ) -> builtins.list[TrainedLabel]:
        """Learn labels from their examples, and give them to the clips of the library.

        Needs the extra ``labels``. Later runs of ``index`` label new clips.

        Args:
            name: the label; None for all labels with an example.
            job: reports progress and cancels; labels trained until then stay.

        Returns:
            The labels that were trained.

        Raises:
            QueryError: the library has no such label.
            TrainingError: no example, or examples that contradict each other.
            MissingExtraError: scikit-learn is not installed.
            LibraryError: the library has no model yet.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.training import LabelTrainer, label_new_clips
        from vidseek.vectors import stored_spec

        check_job(job)
        job = job or Job()
        names = self._to_train(name)
        fingerprint = stored_spec(self._models, None).fingerprint
        with self._store.snapshot():
            trainer = LabelTrainer(self._store, fingerprint)
            trained = []
            for each in names:
                job.check()
                trained.append(trainer.train(each))
        for classifier in trained:
            self._store.labels.set_classifier(classifier, fingerprint)
        label_new_clips(self._store, fingerprint, job=job)
        return [label for label in self.list() if label.name in names]

    def update(self, *, job: Job | None = None) -> dict[str, int]:
        """Label the clips added since the last training or update; ``index`` calls it.

        Returns:
            How many clips got each label that was learned with the active model.
        """
        from vidseek.search.understanding.training import label_new_clips

        fingerprint = self._models.active_fingerprint()
        trained = [label for label in self.list() if label.fingerprint is not None]
        if fingerprint is None or not trained:
            return {}
        for label in trained:
            if label.fingerprint != fingerprint:
                _logger.warning(
                    "The label %r was learned with the vectors of another model, %s: new videos "
                    "do not get it until it is trained again",
                    label.name,
                    label.fingerprint,
                )
        return label_new_clips(self._store, fingerprint, job=job)

    def clips(
        self, name: str, k: int = 50, *, where: VideoFilter = EVERYTHING
    ) -> builtins.list[SearchHit]:
        """The clips that have a label, those of the newest videos first.

        Args:
            name: the label.
            k: clips at most.
            where: which videos.

        Returns:
            Hits, whose score and confidence are the probability of the label.

        Raises:
            QueryError: the library has no such label, or k is not positive.
        """
        from vidseek.search.moments.query import check_filter, check_labels, check_limits

        wanted = label_name(name)
        check_limits(k=arguments.whole_number(k, "k"), per_video=None)
        check_filter(arguments.instance(where, VideoFilter, "where"))
        check_labels([wanted, *where.labels], self._store.labels.names())
        with self._store.snapshot():
            found = self._store.labels.clips(wanted, min(k, MAX_HITS), where)
            ids = [clip_id for clip_id, _ in found]
            clips = self._store.videos.clips_by_id(ids)
            videos = self._store.videos.by_id({clip.video_id for clip in clips.values()})
            labels = self._store.labels.of_clips(ids)
        hits = []
        for clip_id, confidence in found:
            clip = clips[clip_id]
            video = videos[clip.video_id]
            thumbnail = self._store.thumbnail_path(video.content_hash, clip.middle_frame_seconds)
            hits.append(
                SearchHit(
                    video,
                    clip.span,
                    score=confidence,
                    confidence=confidence,
                    thumbnail=thumbnail if thumbnail.is_file() else None,
                    labels=tuple(labels[clip_id]),
                )
            )
        return hits

    def of_videos(self, videos: Iterable[Video]) -> dict[int, builtins.list[str]]:
        """The labels that clips of videos have, by ``Video.id``; others are left out."""
        return self._store.labels.of_videos({video.id for video in videos})

    def labelling(self, model: str | Encoder | None) -> tuple[str, Labelling]:
        """The learned labels, for ``Library.classify``.

        Args:
            model: one of the library's; None for the active model.

        Returns:
            The fingerprint of the model, and its labels.

        Raises:
            QueryError: no label was trained.
            EncoderError: labels were trained, but with another model.
        """
        from vidseek.search.understanding.classify import Labelling
        from vidseek.search.understanding.training import label_probabilities
        from vidseek.vectors import stored_spec

        trained = [label for label in self.list() if label.fingerprint is not None]
        if not trained:
            raise QueryError(
                "There is no label to look for: none was given, and the library has learned none.",
                hint=Hint("give_labels"),
            )
        fingerprint = stored_spec(self._models, model).fingerprint
        classifiers = self._store.labels.classifiers(fingerprint)
        if not classifiers:
            raise EncoderError(
                f"the labels of {self._store.folder} were learned with the model "
                f"{trained[0].fingerprint}; they say nothing about the vectors of {fingerprint}",
                hint=Hint("train_labels"),
            )
        labelling = Labelling(
            [each.label for each in classifiers],
            lambda vectors, _: label_probabilities(classifiers, vectors),
            has_none=True,
            are_exclusive=False,
        )
        return fingerprint, labelling

    def _to_train(self, name: str | None) -> builtins.list[str]:
        from vidseek.search.moments.query import check_labels

        labels = self.list()
        if name is not None:
            wanted = label_name(name)
            check_labels([wanted], [label.name for label in labels])
            return [wanted]
        names = [label.name for label in labels if label.positives]
        if not names:
            label = labels[0].name if len(labels) == 1 else "NAME"
            raise TrainingError(
                f"{self._store.folder} has no label with an example",
                hint=Hint(
                    "add_label_examples_or_remove" if labels else "add_label_examples",
                    {"label": label},
                ),
            )
        return names

    def _examples(
        self, name: str, examples: Iterable[Example], *, shown: bool
    ) -> builtins.list[LabelExample]:
        if isinstance(examples, str | bytes):
            raise arguments.wrong_type("examples", "a list of hits or videos", examples)
        return [self._example(name, each, shown=shown) for each in examples]

    def _example(self, name: str, given: Example, *, shown: bool) -> LabelExample:
        span: TimeSpan | None
        if isinstance(given, SearchHit):
            path, span = given.video.path, given.span
        elif isinstance(given, tuple):
            path, span = arguments.path(given[0], "path"), given[1]
        else:
            path, span = arguments.path(given, "path"), None
        video = self._store.videos.at(path) or self._store.videos.at(path.resolve())
        if video is None:
            raise PathNotFoundError(
                f"{path} is not in the library {self._store.folder}",
                path=path,
                hint=Hint("list_or_index"),
            )
        if span is None:
            span = TimeSpan(0.0, video.duration_seconds)
        check_within(arguments.instance(span, TimeSpan, "span"), video)
        return LabelExample(name, video.id, span, shown)


def label_name(name: str) -> str:
    """A label's name, cleaned.

    Raises:
        QueryError: it is empty.
    """
    from vidseek.search.moments.query import clean_text

    return clean_text(arguments.text(name, "name"), what="label").text


def check_within(span: TimeSpan, video: Video) -> None:
    """Refuse a part that begins after its video ends.

    Raises:
        QueryError: it does.
    """
    if span.start_seconds >= video.duration_seconds > 0:
        raise QueryError(
            f"{video.path} lasts {video.duration_seconds:.1f} s: the part from "
            f"{span.start_seconds:g} to {span.end_seconds:g} s is outside it.",
            path=video.path,
        )
