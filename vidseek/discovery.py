"""The methods of a library that recommend, summarise and find the unusual."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.copies import LibraryCopies
from vidseek.core import arguments
from vidseek.core.errors import Hint, PathNotFoundError, QueryError, UnreadableVideoError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import TimeSpan, Video, VideoFilter, VideoState
from vidseek.labels import check_within

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.search.understanding.outliers import Outlier
    from vidseek.search.understanding.related import Example, RelatedVideo
    from vidseek.search.understanding.stream import StreamEvent
    from vidseek.search.understanding.summary import KeyFrame

EVERYTHING = VideoFilter()
DEFAULT_FRAMES = 12
MAX_WAIT_SECONDS = 86_400.0
"""Of a stream: a day."""

Part = AnyPath | tuple[AnyPath, TimeSpan]
"""A video or picture, or a part of a video."""


class LibraryDiscovery(LibraryCopies):
    """See ``vidseek.Library``."""

    def related(
        self,
        liked: Part | Iterable[Part],
        k: int = 10,
        *,
        disliked: Part | Iterable[Part] = (),
        where: VideoFilter = EVERYTHING,
        diversity: float = 0.3,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> list[RelatedVideo]:
        """Recommend videos of the library that are like those that somebody liked, best first.

        Different interests among the liked videos are kept apart. The examples, their copies and
        further copies of a recommended video are left out.

        Args:
            liked: videos or pictures, in the library or not; ``(path, span)`` for a part.
            k: number of videos; fewer only if the library has fewer.
            disliked: videos that the recommended ones should not be like.
            where: which videos may be recommended.
            diversity: 0 for the most similar videos, up to 1 for the greatest differences.
            model: as for ``search``.
            job: reports progress and cancels.

        Returns:
            Videos, each with the liked part that it is nearest to.

        Raises:
            QueryError: no video is liked, one is liked and disliked, it has no such part, or a
                number is out of range.
            PathNotFoundError: a file does not exist.
            VideoError: a file cannot be read.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.related import (
            RelatedOptions,
            check_examples,
            related,
        )

        examples = [*_examples(liked, "liked"), *_examples(disliked, "disliked", liked=False)]
        check_examples(examples)
        options = RelatedOptions(k=k, where=where, diversity=diversity)
        check_job(job)
        engine = self._search_engine(model)
        if engine.context(where) is None:
            return []
        seen = frozenset().union(*(self._shown_in(each.path, job) for each in examples))
        options = RelatedOptions(k=k, where=where, diversity=diversity, seen=seen)
        return related(self._store, engine.encoder, examples, options, job)

    def summary(
        self,
        path: AnyPath,
        *,
        frames: int | None = None,
        seconds: float | None = None,
        span: TimeSpan | None = None,
        query: str | None = None,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> list[KeyFrame]:
        """Choose key frames that cover what a video of the library shows, in order of time.

        Blank and blurred frames are left out, and frames that show the same as another one.
        ``vidseek.exports.summary.write_summary`` writes them as a list, a page, a picture or a
        reel.

        Args:
            path: the video.
            frames: number of key frames, 1 to 500; None for 12, unless ``seconds`` is given.
            seconds: instead, choose whole clips that last this long together at most.
            span: the part of the video to summarise; None for all of it.
            query: summarise only what matches this text.
            model: as for ``search``.
            job: reports progress and cancels.

        Returns:
            Fewer than asked for if the video shows less; none if all of it is blank.

        Raises:
            PathNotFoundError: the video is not in the library.
            QueryError: a number is out of range, both are given, the text is empty, or the video
                has no such part.
            UnreadableVideoError: the library could not read the video when it was indexed.
            EncoderError: the library is not encoded with that model, or the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.summary import (
            SummaryOptions,
            VideoFrames,
            summarise,
        )

        if frames is None and seconds is None:
            frames = DEFAULT_FRAMES
        options = SummaryOptions(frames=frames, seconds=seconds, span=span)
        check_job(job)
        video = self._stored_video(arguments.path(path, "path"))
        engine = self._search_engine(model)
        relevance = None
        if query is not None:
            import numpy as np

            curve = engine.similarity_curve(video.id, arguments.text(query, "query"))
            relevance = np.array([score for _, score in curve], np.float32)
        with self._store.snapshot():
            read = VideoFrames.read(self._store, engine.encoder.spec.fingerprint, video, span)
        fingerprint = self._copy_descriptor.fingerprint
        return summarise(self._store, read, fingerprint, options, relevance=relevance, job=job)

    def outliers(
        self,
        path: AnyPath | None = None,
        k: int = 10,
        *,
        span: TimeSpan | None = None,
        where: VideoFilter = EVERYTHING,
        normal: VideoFilter | None = None,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> list[Outlier]:
        """Find moments that are unlike the rest, or unlike normal footage, most unusual first.

        Args:
            path: examine one video, by itself; None for all that pass ``where``.
            k: number of moments.
            span: only this part of ``path``.
            where: which videos to examine.
            normal: which videos show normal footage; None for the examined videos themselves.
            model: as for ``search``; it is not loaded.
            job: reports progress and cancels.

        Returns:
            Moments with scores and the nearest normal clips.

        Raises:
            PathNotFoundError: the video is not in the library.
            QueryError: ``k`` is under 1, a filter contradicts itself, both a video and a filter are
                given, there is no normal footage, or ``span`` begins after the video ends.
            UnreadableVideoError: the library could not read the video when it was indexed.
            EncoderError: the library is not encoded with that model.
            LibraryError: the library has no model yet.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.search.understanding.outliers import OutlierOptions, outliers
        from vidseek.vectors import stored_spec

        if path is not None:
            if not where.is_empty:
                raise QueryError("Give a video or a filter, not both.")
            video = self._stored_video(arguments.path(path, "path"))
            if span is not None:
                check_within(arguments.instance(span, TimeSpan, "span"), video)
            # The pattern of a file whose name has wildcards: each in brackets is itself.
            where = VideoFilter(path_glob=re.sub(r"[*?\[]", r"[\g<0>]", str(video.path)))
        elif span is not None:
            raise QueryError("A part needs a video.")
        options = OutlierOptions(k=k, where=where, span=span, normal=normal)
        check_job(job)
        fingerprint = stored_spec(self.models, model).fingerprint
        return outliers(self._store, fingerprint, options, job)

    def watch(
        self,
        source: AnyPath,
        *,
        every_seconds: float = 1.0,
        stall_seconds: float = 30.0,
        allow_network: bool = False,
        model: str | Encoder | None = None,
        job: Job | None = None,
    ) -> Iterator[StreamEvent]:
        """Find unusual stretches of a stream while it runs; nothing is stored.

        Frames are compared with a bounded number of frames of the stream's own past. What changes
        slowly, or stays changed, becomes usual.

        Args:
            source: a video that may still grow, a camera such as ``/dev/video0``, or an address
                such as ``rtsp://camera/stream``.
            every_seconds: how far the frames are apart that are looked at.
            stall_seconds: end when nothing has come for so long.
            allow_network: read from an address.
            model: as for ``search``.
            job: cancels, at the next frame.

        Returns:
            Events, each when it has ended.

        Raises:
            QueryError: a number is out of range, or an address is given and not allowed.
            VideoError: the source cannot be read.
            EncoderError: the model is not there.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.video.following import is_address

        path = arguments.path(source, "source")
        text = source if isinstance(source, str) else str(path)  # a path has one slash of two
        for name, value in (("every_seconds", every_seconds), ("stall_seconds", stall_seconds)):
            if not 0 < arguments.number(value, name) <= MAX_WAIT_SECONDS:
                raise QueryError(f"{name} must be above 0 and at most {MAX_WAIT_SECONDS:g}.")
        if is_address(text) and not arguments.flag(allow_network, "allow_network"):
            raise QueryError(
                f"{text} is an address on the network, which was not allowed.",
                hint=Hint("allow_network"),
            )
        check_job(job)
        encoder = self.models.encoder_for(model)
        return _events(text, encoder, every_seconds, stall_seconds, job or Job())

    def _stored_video(self, path: Path) -> Video:
        for known in dict.fromkeys((path, path.resolve())):
            video = self._store.videos.at(known)
            if video is None:
                continue
            if video.state in (VideoState.FAILED, VideoState.SKIPPED):
                reason = video.failure or "it has no pictures"
                raise UnreadableVideoError(reason, path=path)
            return video
        raise PathNotFoundError(
            f"{path} is not in the library {self.folder}", path=path, hint=Hint("list_or_index")
        )

    def _shown_in(self, path: Path, job: Job | None) -> set[int]:
        """Ids of the library videos that are a file, or for a file from outside its copies."""
        for known in dict.fromkeys((path, path.resolve())):
            video = self._store.videos.at(known)
            if video is not None:
                return {video.id}
        from vidseek.video import is_picture

        if not path.is_file() or is_picture(path):
            return set()
        kinds = ("exact", "duplicate", "contains", "contained")
        verdict = self.check(path, job=job)
        return {match.video.id for match in verdict.matches if match.kind in kinds}


def _events(
    source: str, encoder: Encoder, every_seconds: float, stall_seconds: float, job: Job
) -> Iterator[StreamEvent]:
    from vidseek.search.understanding.stream import StreamWatcher
    from vidseek.video.following import follow_frames

    watcher = StreamWatcher()
    frames = follow_frames(
        source,
        every_seconds=every_seconds,
        short_side=encoder.spec.image_size,
        stall_seconds=stall_seconds,
    )
    for seconds, picture in frames:
        job.check()
        yield from watcher.add(seconds, encoder.encode_frames(picture[None]).vectors[0])
    yield from watcher.finish()


def _examples(value: Part | Iterable[Part], name: str, *, liked: bool = True) -> list[Example]:
    from vidseek.search.understanding.related import Example

    def is_part(each: object) -> bool:
        return isinstance(each, tuple) and len(each) == 2 and isinstance(each[1], TimeSpan)

    given: Sequence[object]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes) and not is_part(value):
        given = list(value)
    else:
        given = [value]
    examples = []
    for each in given:
        path, span = each if isinstance(each, tuple) and is_part(each) else (each, None)
        examples.append(Example(arguments.path(path, name), span, liked))
    return examples
