"""The media roots: which files a server may index, read and name.

roots = MediaRoots([Path("/media/films")])
with roots.open(Path("/media/films/cat.mp4")) as file: ...

A path is inside a root only if it still is once every link on its way is followed. Between such a
look and opening the file somebody may put a link in its place, so an opened file is compared with
what the path means then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vidseek.core.errors import PathNotFoundError
from vidseek.core.paths import absolute_path
from vidseek.web.problems import ProblemError


class MediaRoots:
    """Folders of media, with their links followed when the server starts."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Use the folders.

        Raises:
            PathNotFoundError: one of them is not a folder.
        """
        self.folders: list[Path] = []
        """Absolute, as given."""
        for folder in map(absolute_path, folders):
            if not folder.is_dir():
                raise PathNotFoundError(f"{folder} is not a folder", path=folder)
            if folder not in self.folders:
                self.folders.append(folder)
        self._resolved = [folder.resolve() for folder in self.folders]

    def contain(self, path: Path) -> bool:
        """Whether a path, given or with its links followed, lies inside a root."""
        try:
            # strict=False: a video on a disk that is not mounted keeps its name.
            resolved = Path(os.path.realpath(path))
        except (OSError, ValueError):
            return False
        return any(resolved.is_relative_to(root) for root in self._resolved)

    def inside(self, paths: Iterable[Path]) -> list[Path]:
        """Those of the paths that ``contain`` says to lie inside a root.

        Faster for many: links on the way to a folder are followed once for all files in it.
        """
        folders: dict[Path, bool] = {}
        chosen = []
        for path in paths:
            if os.path.islink(path):  # noqa: PTH114 - called a hundred thousand times
                is_inside = self.contain(path)
            else:
                folder = path.parent
                if folder not in folders:
                    folders[folder] = self.contain(folder)
                is_inside = folders[folder]
            if is_inside:
                chosen.append(path)
        return chosen

    def open(self, path: Path) -> BinaryIO:
        """Open a regular file inside a root for reading.

        Raises:
            PathNotFoundError: it is not there, is no regular file, or lies outside.
        """
        gone = PathNotFoundError(f"{path} is not there", path=path)
        try:
            real = os.path.realpath(path, strict=True)
            if not self.contain(Path(real)) or not os.path.isfile(real):  # noqa: PTH113
                raise gone
            # Not through a link that was put there meanwhile, and not a pipe that blocks.
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            file = os.fdopen(os.open(real, flags), "rb")
        except (OSError, ValueError) as error:
            raise gone from error
        try:
            again = os.path.realpath(path, strict=True)
            same = os.path.samestat(os.stat(again), os.fstat(file.fileno()))  # noqa: PTH116
            if not same or not self.contain(Path(again)):
                raise gone
        except OSError as error:
            file.close()
            raise gone from error
        except BaseException:
            file.close()
            raise
        return file

    def find(self, given: str) -> Path:
        """The file or folder inside a root that a client names.

        Args:
            given: an absolute path, or one relative to a root.

        Raises:
            ProblemError: it lies outside the roots; whether it exists is not told.
            PathNotFoundError: nothing is there.
        """
        if "\0" in given or not given.strip():
            raise ProblemError(422, "bad_request", "a path is empty, or has a null character")
        candidates = [Path(os.path.normpath(root / given)) for root in self.folders]
        inside = [path for path in candidates if self.contain(path)]
        if not inside:
            raise ProblemError(403, "outside_roots", "the path is outside the media roots")
        for path in inside:
            with suppress(OSError):  # a name that is too long, a folder that may not be entered
                if path.exists():
                    return path
        raise PathNotFoundError(f"{inside[0]} does not exist", path=inside[0])


def topmost(folders: Iterable[Path]) -> Sequence[Path]:
    """The folders without those that lie below another of them.

    >>> [str(folder) for folder in topmost([Path("/a/b"), Path("/c"), Path("/a")])]
    ['/a', '/c']
    """
    kept: list[Path] = []
    for folder in sorted(set(folders)):
        if not kept or not folder.is_relative_to(kept[-1]):
            kept.append(folder)
    return kept
