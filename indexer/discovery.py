"""Find the video files below some folders, in a fixed order, without opening them.

found = discover([Path("~/Movies").expanduser()], exclude=("*.part",))
for file in found.files:
    print(file.path, file.size_bytes)

Files given by name are always tried. In folders, files are recognised by their suffix, and those
with an unknown suffix by their first bytes; the others are counted. Hidden entries, system folders
such as recycle bins, and the library's own folder are skipped.
"""

from __future__ import annotations

import codecs
import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from vidseek.core.errors import PathNotFoundError
from vidseek.core.paths import absolute_path, printable_path
from vidseek.indexer.report import FailedFile
from vidseek.video.sniff import may_be_video

logger = logging.getLogger(__name__)

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mj2", ".f4v",
    ".mkv", ".mk3d", ".webm",
    ".avi", ".divx",
    ".ts", ".mts", ".m2ts", ".m2t",
    ".mpg", ".mpeg", ".mpe", ".mpv", ".m1v", ".m2v", ".m2p", ".vob", ".mod", ".tod",
    ".insv", ".360", ".lrv", ".dv", ".dif", ".rm", ".rmvb", ".y4m", ".nut", ".ivf", ".wtv", ".gxf",
    ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".obu", ".apng",
    ".flv", ".ogv", ".ogm", ".gif", ".wmv", ".asf", ".mxf",
    # Usually audio, but the same container as .mp4: only opening it shows whether it has video.
    ".m4a",
))
# fmt: on
"""Suffixes of the containers that the reader supports. The actual format is read from the bytes."""

# fmt: off
_OTHER_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".svg", ".ico", ".psd",
    ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".xmp", ".thm",
    ".mp3", ".flac", ".wav", ".aac", ".wma", ".opus", ".oga", ".aif", ".aiff", ".mid", ".m4b",
    ".srt", ".vtt", ".ass", ".ssa", ".sub", ".idx", ".sup", ".smi", ".lrc", ".ttml",
    ".m3u", ".m3u8", ".pls", ".mpd", ".xspf", ".ram", ".asx",
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".htm", ".css",
    ".js", ".py", ".c", ".h", ".cpp", ".java", ".go", ".rs", ".sh", ".bat", ".yaml", ".yml",
    ".toml", ".ini", ".cfg", ".log", ".nfo", ".url", ".lnk", ".torrent", ".db", ".sqlite",
    ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".epub", ".rtf",
    ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".iso", ".dmg",
    ".exe", ".dll", ".so", ".pyc", ".o", ".ttf", ".otf", ".woff", ".woff2",
    ".npy", ".npz", ".pt", ".onnx", ".safetensors", ".parquet",
))
# fmt: on
"""Suffixes of files that are not opened: millions of photos on a network share would take hours."""

_SOURCE_CODE_SUFFIXES = frozenset((".ts", ".mts"))
_SYSTEM_FOLDERS = frozenset(("$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir"))


@dataclass(frozen=True)
class FoundFile:
    """A file on the disk, with its size and modification time."""

    path: Path
    """Absolute, links not resolved: a followed link keeps the name under which it was found."""
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Discovery:
    """The result of walking files and folders."""

    roots: tuple[Path, ...]
    """The given paths, absolute."""
    files: tuple[FoundFile, ...]
    """In order of the roots, then by name, folder by folder; every path once."""
    problems: tuple[FailedFile, ...]
    """Folders that could not be listed and files whose status could not be read."""
    skipped: Mapping[str, int]
    """Files in folders that are no videos, counted by suffix: lower case, "" for none."""
    hidden: int
    """Hidden files and folders that were ignored, system folders among them."""
    links: int
    """Links that were not followed."""


def discover(
    paths: Sequence[Path],
    *,
    exclude: Sequence[str] = (),
    follow_symlinks: bool = False,
    skip_folder: Path | None = None,
) -> Discovery:
    """Walk files and folders for videos.

    Args:
        paths: files and folders; each must exist.
        exclude: shell patterns, without regard to case. A file or folder is skipped if its name,
            its absolute path or its path relative to the given folder matches. ``*`` also matches
            ``/``.
        follow_symlinks: follow links found in folders. Each folder is entered once, so loops end.
            Paths given by name are always followed.
        skip_folder: a folder not to enter, whatever its name: the library itself.

    Raises:
        PathNotFoundError: a given path does not exist. Raised before anything is walked.
    """
    check_paths(paths)
    roots = tuple(absolute_path(path) for path in paths)
    walk = _Walk(tuple(exclude), follow_symlinks, skip_folder)
    files: dict[Path, FoundFile] = {}
    for root in roots:
        for file in walk.root(root):
            files.setdefault(file.path, file)
    return Discovery(
        roots=roots,
        files=tuple(files.values()),
        problems=tuple(walk.problems),
        skipped=walk.skipped,
        hidden=walk.hidden,
        links=walk.links,
    )


def check_paths(paths: Sequence[Path]) -> None:
    """Make sure that files and folders exist.

    Raises:
        PathNotFoundError: a path does not exist.
    """
    for path in map(absolute_path, paths):
        if not os.path.lexists(path):
            raise PathNotFoundError(f"{path} does not exist", path=path)


class _Walk:
    def __init__(
        self, exclude: tuple[str, ...], follow_symlinks: bool, skip_folder: Path | None
    ) -> None:
        self._exclude = tuple(glob.lower() for glob in exclude)
        self._follow = follow_symlinks
        self._entered: set[tuple[int, int]] = set()
        self._skipped: set[tuple[int, int]] = set()
        if skip_folder is not None and skip_folder.exists():
            status = skip_folder.stat()
            self._skipped.add((status.st_dev, status.st_ino))
        self.problems: list[FailedFile] = []
        self.skipped: Counter[str] = Counter()
        self.hidden = 0
        self.links = 0

    def root(self, root: Path) -> Iterator[FoundFile]:
        try:
            status = root.stat()
        except OSError as error:
            self._report(root, error)
            return
        if self._excluded(root, root.name):
            return
        if stat.S_ISDIR(status.st_mode):
            self._entered.clear()
            yield from self._folder(root)
        elif stat.S_ISREG(status.st_mode):
            yield FoundFile(root, status.st_size, status.st_mtime_ns)
        else:
            self.problems.append(FailedFile(root, "not a regular file"))

    def _folder(self, root: Path) -> Iterator[FoundFile]:
        # A stack instead of recursion: trees can be a thousand levels deep. Linked folders are
        # walked after all real folders, so that a file that can be reached both ways is found under
        # its real name.
        pending: list[Path] = [root]
        linked: list[Path] = []
        while pending or linked:
            folder = pending.pop() if pending else linked.pop(0)
            try:
                status = folder.stat()
                identity = (status.st_dev, status.st_ino)
                if identity in self._entered or identity in self._skipped:
                    continue
                self._entered.add(identity)
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                self._report(folder, error)
                continue
            below: list[Path] = []
            for entry in listed:
                if self._is_skipped(entry, root):
                    continue
                try:
                    if entry.is_dir(follow_symlinks=self._follow):
                        (linked if entry.is_symlink() else below).append(Path(entry.path))
                    elif (file := self._file(entry)) is not None:
                        yield file
                except OSError as error:
                    self._report(Path(entry.path), error)
            pending.extend(reversed(below))

    def _is_skipped(self, entry: os.DirEntry[str], root: Path) -> bool:
        name = entry.name
        if name.startswith(".") or name in _SYSTEM_FOLDERS:
            self.hidden += 1
            return True
        if entry.is_symlink() and not self._follow:
            self.links += 1
            return True
        return bool(self._exclude) and self._excluded(
            Path(entry.path), os.path.relpath(entry.path, root)
        )

    def _excluded(self, path: Path, relative: str) -> bool:
        names = [name.lower() for name in (path.name, os.fspath(path), relative)]
        return any(fnmatchcase(name, glob) for glob in self._exclude for name in names)

    def _file(self, entry: os.DirEntry[str]) -> FoundFile | None:
        suffix = Path(entry.name).suffix.lower()
        if not entry.is_file(follow_symlinks=self._follow):
            return None
        if not _may_be_video(entry.path, suffix):
            self.skipped[suffix] += 1
            return None
        status = entry.stat(follow_symlinks=self._follow)
        return FoundFile(Path(entry.path), status.st_size, status.st_mtime_ns)

    def _report(self, path: Path, error: OSError) -> None:
        logger.warning("%s: %s", printable_path(path), error.strerror)
        self.problems.append(FailedFile(path, error_reason(error)))


def _may_be_video(path: str, suffix: str) -> bool:
    if suffix in VIDEO_SUFFIXES:
        return not (suffix in _SOURCE_CODE_SUFFIXES and _is_text(path))
    return suffix not in _OTHER_SUFFIXES and may_be_video(Path(path))


def error_reason(error: OSError) -> str:
    """The operating system's message in one line, without the path."""
    return (error.strerror or type(error).__name__).lower()


def _is_text(path: str) -> bool:
    """Whether a .ts file is TypeScript: an MPEG stream has zero bytes in its first kilobyte."""
    with Path(path).open("rb") as file:
        head = file.read(1024)
    try:
        # Incremental: the last character may be cut in two.
        return b"\0" not in head and bool(codecs.getincrementaldecoder("utf-8")().decode(head))
    except UnicodeDecodeError:
        return False
