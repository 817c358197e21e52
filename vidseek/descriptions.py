"""The methods of a library that put its videos into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.errors import QueryError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import (
    Description,
    LabelScore,
    SearchHit,
    SearchResult,
    SearchWarning,
    TimeSpan,
    Video,
    VideoAnswer,
    VideoFilter,
)
from vidseek.labels import check_within
from vidseek.queries import EVERYTHING
from vidseek.understanding import LibraryUnderstanding

if TYPE_CHECKING:
    from vidseek.encoders.base import Captioner, Encoder
    from vidseek.encoders.hub.captioner import HubCaptioner

LABEL_SETS = ("everyday", "actions", "places")


class LibraryDescriptions(LibraryUnderstanding):
    """See ``vidseek.Library``."""

    def load_captioner(self, name: str) -> HubCaptioner:
        """Load a model that puts pictures into words, for ``describe`` and ``ask``.

        Args:
            name: an image-to-text or image-text-to-text model, ``hf:ORG/NAME`` or a folder. It is
                downloaded only if ``confirm_download`` of ``open`` agrees.

        Raises:
            EncoderError: it cannot be fetched or used; the subclass says why.
        """
        _ = self._store
        name = arguments.text(name, "name")
        from vidseek.encoders.hub.captioner import create_captioner

        return create_captioner(name, confirm_download=self.models.confirm_download)

    def describe(
        self,
        video: AnyPath,
        captioner: Captioner | None = None,
        *,
        span: TimeSpan | None = None,
        labels: int = 8,
        captions: int = 12,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> Description:
        """Say what a video shows: labels, and with a captioner sentences about its clips.

        Captions are stored, in place of earlier captions of that part of the video, and found by
        ``search_captions``. Without a captioner, the stored captions are returned.

        Args:
            video: a video of the library.
            captioner: from ``load_captioner``, or your own; None for labels and stored captions.
            span: only this part of the video.
            labels: labels of each of the bundled sets at most, none for 0.
            captions: captions at most, of evenly spaced clips.
            model: labels by this model of ``models.list()``; None for the active model.
            job: reports progress and cancels; a cancelled description stores nothing.

        Raises:
            QueryError: a part outside the video, a negative number.
            PathNotFoundError: the video is not in the library.
            VideoError: the video cannot be decoded.
            EncoderError: the library is not encoded with that model, or a model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.describe import caption_clips

        found, part = self._described(video, span)
        for count, name in ((labels, "labels"), (captions, "captions")):
            if arguments.whole_number(count, name) < 0:
                raise QueryError(f"The number of {name} must be 0 or more, got {count}.")
        check_job(job)
        job = job or Job()
        scores, warnings = self._labels_of(found, span, labels, model, job)
        if captioner is not None and captions > 0:
            clips = self._store.videos.clips_within(found.id, part)
            made = caption_clips(captioner, found, clips, limit=captions, job=job)
            self._store.captions.replace(found.id, made, part)
        stored = [each for each in self._store.captions.of(found.id) if each.span.overlap(part) > 0]
        return Description(found, part, tuple(scores), tuple(stored), tuple(warnings))

    def ask(
        self,
        video: AnyPath,
        question: str,
        captioner: Captioner,
        *,
        span: TimeSpan | None = None,
        frames: int = 8,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> VideoAnswer:
        """Answer a question about a video from the frames that are most like the question.

        Args:
            video: a video of the library.
            question: a sentence.
            captioner: from ``load_captioner``, a model that answers questions, or your own.
            span: only this part of the video.
            frames: frames to look at, at most.
            model: finds the frames, one of ``models.list()``; None for the active model.
            job: reports progress and cancels.

        Returns:
            The answer, and the frames that it rests on.

        Raises:
            QueryError: an empty question, a part outside the video, ``frames`` under 1.
            PathNotFoundError: the video is not in the library.
            VideoError: the video cannot be decoded.
            UnsupportedModelError: the model answers no questions.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.describe import Question, answer_question

        arguments.text(question, "question")
        found, _ = self._described(video, span)
        if arguments.whole_number(frames, "frames") < 1:
            raise QueryError(f"The number of frames must be at least 1, got {frames}.")
        check_job(job)
        engine = self._search_engine(model)
        engine.context(EVERYTHING)  # refuses an encoder whose vectors the library does not have
        asked = Question(found, question, span, frames)
        return answer_question(engine, captioner, asked, job=job or Job())

    def search_captions(
        self, text: str, k: int = 10, *, where: VideoFilter = EVERYTHING
    ) -> SearchResult:
        """Find moments by the words of their captions, best first.

        Args:
            text: words; rare words count more.
            k: hits at most.
            where: which videos to search.

        Returns:
            Hits without confidences; their score is the share of the words that a caption has.

        Raises:
            QueryError: no word, ``k`` under 1, a filter that contradicts itself.
        """
        from vidseek.search.moments.query import check_filter, check_limits, clean_text
        from vidseek.search.understanding.describe import rank_captions, words_in

        words = words_in(clean_text(arguments.text(text, "text")).text)
        check_limits(k=arguments.whole_number(k, "k"), per_video=None)
        check_filter(arguments.instance(where, VideoFilter, "where"))
        if not words:
            raise QueryError("The query has no words.")
        with self._store.snapshot():
            captions = self._store.captions.containing(words)
            videos = self._store.videos.passing({each.video_id for each in captions}, where)
            ranked = rank_captions([each for each in captions if each.video_id in videos], words)
            hits = [
                self._caption_hit(videos[caption.video_id], caption.span, score)
                for caption, score in ranked[:k]
            ]
            empty = self._store.captions.count() == 0
        warnings = []
        if empty:
            message = f"{self.folder} has no captions to search"
            warnings.append(SearchWarning("no_captions", message))
        return SearchResult(tuple(hits), tuple(warnings))

    def _caption_hit(self, video: Video, span: TimeSpan, score: float) -> SearchHit:
        clips = self._store.videos.clips_within(video.id, span)
        thumbnail = None
        if clips:
            middle = clips[len(clips) // 2].middle_frame_seconds
            path = self._store.thumbnail_path(video.content_hash, middle)
            thumbnail = path if path.is_file() else None
        return SearchHit(video, span, score, None, thumbnail=thumbnail)

    def _described(self, video: AnyPath, span: TimeSpan | None) -> tuple[Video, TimeSpan]:
        found = self._video_at(video)
        if span is None:
            return found, TimeSpan(0.0, max(found.duration_seconds, 1e-3))
        arguments.instance(span, TimeSpan, "span")
        check_within(span, found)
        return found, span

    def _labels_of(
        self,
        video: Video,
        span: TimeSpan | None,
        k: int,
        model: str | Encoder | None,
        job: Job,
    ) -> tuple[list[LabelScore], list[SearchWarning]]:
        """Labels of the bundled sets, most confident first."""
        from vidseek.core.types.labels import NONE_OF_THESE
        from vidseek.search.understanding.label_sets import bundled_labels

        scores: list[LabelScore] = []
        warnings: list[SearchWarning] = []
        for name in LABEL_SETS if k > 0 else ():
            result = self.classify(
                [(video.path, span)], bundled_labels(name), k=k, model=model, job=job
            )
            warnings += [each for each in result.warnings if each not in warnings]
            scores += [
                each for moment in result for each in moment.labels if each.label != NONE_OF_THESE
            ]
        best: dict[str, LabelScore] = {}
        for each in sorted(scores, key=lambda score: -score.confidence):
            best.setdefault(each.label, each)
        return list(best.values())[:k], warnings
