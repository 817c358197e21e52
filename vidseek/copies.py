"""The methods of a library that find copies: among its videos, and of uploads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.errors import QueryError
from vidseek.core.job import Job, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import CopyMatch, CopyVerdict, DuplicateGroup
from vidseek.opened import OpenedLibrary, possible_ids

if TYPE_CHECKING:
    from vidseek.search.copies.scoring import Threshold
    from vidseek.video.limits import DecodeLimits


MAX_DISMISSED_TOGETHER = 200
"""20,000 pairs."""


def _decode_limits(limits: DecodeLimits | None) -> DecodeLimits:
    from vidseek.video.limits import DEFAULT_LIMITS, DecodeLimits

    return DEFAULT_LIMITS if limits is None else arguments.instance(limits, DecodeLimits, "limits")


class LibraryCopies(OpenedLibrary):
    """See ``vidseek.Library``."""

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

        check_job(job)
        return compare_new_videos(self._store, self._copy_descriptor, job=job)

    def check(
        self,
        path: AnyPath,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
        except_paths: AnyPath | Iterable[AnyPath] = (),
        timeout_seconds: float | None = None,
        limits: DecodeLimits | None = None,
        job: Job | None = None,
    ) -> CopyVerdict:
        """Detect whether a video is a copy of one in the library. Nothing is added.

        Args:
            path: the video to check.
            threshold: match strictness: ``strict``, ``normal`` or ``loose``.
            min_score: also list matches scoring at least this, 0 to 1; the verdict does not change.
            except_paths: library videos to leave out of the comparison, such as an earlier version
                of the file, and folders of such videos. A path without any changes nothing; a
                warning is logged.
            timeout_seconds: maximum time for the check.
            limits: the largest, longest and slowest file that is decoded; None for the limits of
                ``index``.
            job: reports progress and cancels.

        Raises:
            PathNotFoundError: the file does not exist.
            QueryError: the threshold is unknown, or the score is not 0 to 1.
            VideoError: the file cannot be read.
            DecodeLimitError: the check took longer than ``timeout_seconds``.
            JobCancelledError: the job was cancelled.
        """
        from vidseek.uploads import UploadOptions, check

        options = UploadOptions(
            threshold=threshold,
            min_score=min_score,
            except_paths=tuple(arguments.paths(except_paths, "except_paths")),
            timeout_seconds=timeout_seconds,
            limits=_decode_limits(limits),
        )
        upload = arguments.path(path, "path")
        check_job(job)
        return check(self._store, self._copy_descriptor, upload, options, job=job)

    def check_and_add(
        self,
        path: AnyPath,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
        except_paths: AnyPath | Iterable[AnyPath] = (),
        timeout_seconds: float | None = None,
        limits: DecodeLimits | None = None,
        wait_seconds: float = math.inf,
        job: Job | None = None,
    ) -> CopyVerdict:
        """Check a video as ``check`` does, and add it to the library if it is new.

        Of two copies that are checked at the same time, by threads or processes, one is new and is
        added; the other is compared with it.

        Args:
            path: the video to check.
            threshold: as for ``check``.
            min_score: as for ``check``.
            except_paths: as for ``check``.
            timeout_seconds: as for ``check``; waiting and adding do not count.
            limits: as for ``check``.
            wait_seconds: how long to wait for another process that is writing to the library.
            job: reports progress and cancels.

        Returns:
            The verdict. The video was added if and only if its kind is ``new``.

        Raises:
            PathNotFoundError: the file does not exist.
            QueryError: the threshold is unknown.
            VideoError: the file cannot be read.
            LibraryLockedError: another process held the library for ``wait_seconds``.
            LibraryReadOnlyError: the library cannot be written to.
            JobCancelledError: the job was cancelled; the video is added or not, never in part.
        """
        from vidseek.uploads import UploadOptions, check_and_add

        options = UploadOptions(
            threshold=threshold,
            min_score=min_score,
            except_paths=tuple(arguments.paths(except_paths, "except_paths")),
            timeout_seconds=timeout_seconds,
            limits=_decode_limits(limits),
        )
        upload = arguments.path(path, "path")
        wait_seconds = arguments.duration(wait_seconds, "wait_seconds")
        check_job(job)
        library = (self._store, self.encoder, self._copy_descriptor)
        return check_and_add(library, upload, options, wait_seconds=wait_seconds, job=job)

    def duplicates(self) -> list[DuplicateGroup]:
        """Groups of videos that are copies of each other, largest first.

        Covers the videos that ``compare_new_videos`` has compared. Nothing is written.
        """
        from vidseek.search.copies.duplicate_groups import duplicate_groups

        return duplicate_groups(self._store)

    def dismiss_duplicates(self, video_ids: Collection[int], *, restore: bool = False) -> int:
        """Remember that no two of some videos are duplicates of each other.

        ``duplicates`` no longer groups such pairs. ``check`` is not affected.

        Args:
            video_ids: ``Video.id`` of two or more videos, at most 200.
            restore: forget it instead.

        Returns:
            Number of pairs that changed.

        Raises:
            QueryError: fewer than two videos, or too many.
            LibraryReadOnlyError: the library cannot be written to.
        """
        arguments.flag(restore, "restore")
        ids = {arguments.whole_number(each, "video_ids") for each in video_ids}
        if not 2 <= len(ids) <= MAX_DISMISSED_TOGETHER:
            raise QueryError(
                f"Give 2 to {MAX_DISMISSED_TOGETHER} videos to dismiss at once, not {len(ids)}"
            )
        return self._store.copy_matches.dismiss(possible_ids(ids), restore=restore)

    def shared_segments(self, video_ids: Collection[int]) -> list[CopyMatch]:
        """The stretches that some videos share with other videos of the library.

        Covers the videos that ``compare_new_videos`` has compared.

        Args:
            video_ids: ``Video.id`` of at most 10,000 videos.
        """
        ids = possible_ids(arguments.whole_number(each, "video_ids") for each in video_ids)
        return self._store.copy_matches.read(of_videos=ids) if ids else []

    def plot_duplicates(self, file: AnyPath, groups: Sequence[DuplicateGroup]) -> None:
        """Draw a timeline of the parts that groups share into a PNG file."""
        from vidseek.timeline_plot import plot_groups

        file = arguments.path(file, "file")
        groups = arguments.several(groups, DuplicateGroup, "groups")
        plot_groups(file, groups, self._store.copy_matches.read())
