"""The methods of a library that recommend, summarise and find the unusual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.copies import LibraryCopies
from vidseek.core import arguments
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import TimeSpan, VideoFilter

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.search.understanding.related import Example, RelatedVideo

EVERYTHING = VideoFilter()

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
        examples.append(Example(arguments.path(path, name), span, liked))  # type: ignore[arg-type]
    return examples
