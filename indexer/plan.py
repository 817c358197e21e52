"""Decide what an index run has to do: the rules for resuming, retrying, moved and missing files.

Files are first compared with the library by size and modification time, which needs only a folder
listing (``make_plan``). New and changed files are then compared by their hash, which needs reading
them (``reuse``). Only the rest has to be decoded. Files that are gone are marked missing at the end
of the run (``mark_missing``).

A run that was interrupted left whole videos only, so resuming is nothing special: the next run
skips the files that are stored. A file that failed is retried once it has changed, with
``retry_failed`` always.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vidseek.core.types import FileStamp, Video, VideoState
from vidseek.indexer.discovery import Discovery, FoundFile
from vidseek.indexer.hashing import HashedFile
from vidseek.indexer.report import FailedFile
from vidseek.storage.store import LibraryStore

NOT_VIDEOS = frozenset((VideoState.FAILED, VideoState.SKIPPED))
"""States of files that the library has no clips of."""

_REASONS_BEFORE_0_3 = ("the decoder failed: ", "unexpected ", "sound only")


@dataclass(frozen=True)
class IndexPlan:
    """The files that were found, sorted by size and modification time."""

    unchanged: int
    """Number of files that are indexed and have not changed."""
    returned: tuple[tuple[int, FoundFile], ...]
    """(video id, file) of videos that were marked missing and whose files are back unchanged."""
    still_failed: tuple[FailedFile, ...]
    """Files that failed before, have not changed, and are not to be retried."""
    sound_only: tuple[Path, ...]
    """Files without pictures that have not changed."""
    changed: tuple[FoundFile, ...]
    """New and changed files, which have to be hashed. New files come first: a video that was moved
    aside for a new version is found under its new name before its old path is replaced."""


def make_plan(
    discovery: Discovery, store: LibraryStore, *, retry_failed: bool = False
) -> IndexPlan:
    """Compare the files that were found with the library, by size and modification time."""
    stamps = store.videos.file_stamps()
    unchanged = 0
    returned: list[tuple[int, FoundFile]] = []
    failed: list[tuple[int, FoundFile]] = []
    sound_only: list[Path] = []
    new: list[FoundFile] = []
    different: list[FoundFile] = []
    for file in discovery.files:
        stamp = stamps.get(os.fspath(file.path))
        if stamp is None:
            new.append(file)
        elif not _same(stamp, file) or (stamp.state is VideoState.FAILED and retry_failed):
            different.append(file)
        elif stamp.state is VideoState.INDEXED:
            unchanged += 1
        elif stamp.state is VideoState.MISSING:
            returned.append((stamp.id, file))
        elif stamp.state is VideoState.SKIPPED:
            sound_only.append(file.path)
        else:
            failed.append((stamp.id, file))
    reasons = _reasons(store, failed)
    # Releases before 0.3 kept failures of the installation as if they were the files' own, and
    # files with sound only as failures.
    outdated = {each.path for each in reasons if each.reason.startswith(_REASONS_BEFORE_0_3)}
    different += [file for _, file in failed if file.path in outdated]
    still_failed = tuple(each for each in reasons if each.path not in outdated)
    return IndexPlan(
        unchanged,
        tuple(returned),
        still_failed,
        tuple(sound_only),
        tuple(new + different),
    )


def _same(stamp: FileStamp, file: FoundFile) -> bool:
    return (stamp.size_bytes, stamp.modified_ns) == (file.size_bytes, file.modified_ns)


def _reasons(
    store: LibraryStore, failed: Sequence[tuple[int, FoundFile]]
) -> tuple[FailedFile, ...]:
    if not failed:
        return ()
    stored = {video.id: video for video in store.videos.select(states={VideoState.FAILED})}
    return tuple(
        FailedFile(file.path, stored[id].failure or "failed before", stored[id].failure_hint)
        if id in stored
        else FailedFile(file.path, "failed before")
        for id, file in failed
    )


class Reuse(enum.Enum):
    """How a file was stored without decoding it."""

    UNCHANGED = enum.auto()
    """The same bytes at the same path, with a new modification time."""
    MOVED = enum.auto()
    """A stored video whose old path is gone, or that was missing."""
    COPIED = enum.auto()
    """The same bytes as a stored video whose file is still in place."""


def reuse(store: LibraryStore, file: HashedFile) -> Reuse | None:
    """Store a file without decoding it, if a video with the same hash is stored.

    Returns:
        How it was stored, or None if the file has to be decoded.
    """
    same = [
        video
        for video in store.videos.with_hash(file.content_hash)
        if video.state not in NOT_VIDEOS
    ]
    for video in same:
        if video.path == file.path and _relink(store, video, file):
            return Reuse.UNCHANGED if video.state is VideoState.INDEXED else Reuse.MOVED
    for video in same:
        if not is_in_place(video) and _relink(store, video, file):
            return Reuse.MOVED
    for video in same:
        copy = replace(
            video, id=0, path=file.path, size_bytes=file.size_bytes, modified_ns=file.modified_ns
        )
        if store.videos.add_copy(video.id, copy) is not None:
            return Reuse.COPIED
    return None


def _relink(store: LibraryStore, video: Video, file: FoundFile) -> bool:
    return store.videos.relink(video.id, file.path, file.size_bytes, file.modified_ns)


def is_in_place(video: Video) -> bool:
    """Whether the file is still there with its size and time; True if that cannot be determined."""
    try:
        status = video.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.modified_ns)


def mark_missing(store: LibraryStore, discovery: Discovery, *, prune: bool) -> int:
    """Mark videos below the given paths whose files are gone as missing, or remove them.

    With ``prune``, the videos of a given folder in which no video at all was found are marked
    missing and not removed: an unmounted disk looks the same. Entries of files that could never be
    read contain nothing worth keeping and are always removed.

    Returns:
        How many videos of the library are missing below the paths (or were removed).
    """
    found = {os.fspath(file.path) for file in discovery.files}
    roots = _Roots(discovery.roots, found)
    missing = 0
    newly: list[str] = []
    remove: list[str] = []
    for path, stamp in store.videos.file_stamps().items():
        if path in found or not (above := roots.above(path)):
            continue
        if not _is_gone(path):
            continue
        if stamp.state in NOT_VIDEOS:
            remove.append(path)
            continue
        missing += 1
        if prune and not any(roots.is_empty(root) for root in above):
            remove.append(path)
        elif stamp.state is not VideoState.MISSING:
            newly.append(path)
    if newly:
        store.videos.mark_missing(newly)
    if remove:
        store.videos.remove_at(remove)
    return missing


class _Roots:
    """The paths that a run was given, of which a shell makes thousands of a pattern."""

    # Strings: with a hundred thousand files, Path.is_relative_to alone would take a second.
    def __init__(self, roots: Iterable[Path], found: Iterable[str]) -> None:
        self._roots = frozenset(map(os.fspath, roots))
        self._above_folder: dict[str, tuple[str, ...]] = {}
        self._filled = {root for path in found for root in self.above(path)}

    def above(self, path: str) -> tuple[str, ...]:
        """The roots that are a file or a folder above it."""
        above = self._folder(os.path.dirname(path))  # noqa: PTH120
        return (path, *above) if path in self._roots else above

    def is_empty(self, root: str) -> bool:
        """Whether no file was found in a root."""
        return root not in self._filled

    def _folder(self, folder: str) -> tuple[str, ...]:
        """The roots that are a folder or above it."""
        unknown = []  # a loop instead of recursion: trees can be a thousand levels deep
        while folder not in self._above_folder:
            unknown.append(folder)
            parent = os.path.dirname(folder)  # noqa: PTH120
            if parent == folder:
                break
            folder = parent
        above = self._above_folder.get(folder, ())
        for each in reversed(unknown):
            above = (each, *above) if each in self._roots else above
            self._above_folder[each] = above
        return above


def _is_gone(path: str) -> bool:
    """Whether a file certainly does not exist; an inaccessible folder proves nothing."""
    try:
        os.stat(path)  # noqa: PTH116 - called a hundred thousand times
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
