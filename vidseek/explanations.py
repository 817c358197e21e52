"""The methods of a library that say why a moment matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import Explanation, TimeSpan
from vidseek.queries import LibraryQueries

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder


class LibraryExplanations(LibraryQueries):
    """See ``vidseek.Library``."""

    def explain(
        self,
        text: str,
        video: AnyPath,
        when: float | TimeSpan | None = None,
        *,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> Explanation:
        """Say why a moment matches a text: where each word looks, and which frames weigh how much.

        Args:
            text: what was looked for.
            video: a video of the library.
            when: seconds of a frame, or a part of the video for its best frame; None for the best
                frame of the video.
            model: one of ``models.list()``; None for the active model.
            job: reports progress and cancels.

        Returns:
            Maps of the words, weights of the clip's frames, and the scores of all clips. A model
            without cells gives no maps, which is a warning.

        Raises:
            QueryError: an empty text, a time outside the video, a video without searchable clips.
            PathNotFoundError: the video is not in the library.
            VideoError: its frame cannot be decoded.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.explain import explain_moment

        arguments.text(text, "text")
        if when is not None and not isinstance(when, TimeSpan):
            when = arguments.number(when, "when")
        check_job(job)
        found = self._video_at(video)
        return explain_moment(self._search_engine(model), found, text, when, job=job or Job())
