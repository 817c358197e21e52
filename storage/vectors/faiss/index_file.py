"""The base of a vector index on disk: an immutable FAISS file and a manifest with its hash.

vectors/<fingerprint>/manifest.json     name, hash and change log position of the base
vectors/<fingerprint>/base-<...>.faiss  never changed once it has this name
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vidseek.core.errors import LibraryLockedError
from vidseek.core.paths import hash_file
from vidseek.storage.lease import FileLease
from vidseek.storage.vectors.faiss.module import load_faiss
from vidseek.storage.vectors.protocol import Position

_logger = logging.getLogger(__name__)

ALWAYS_HASHED_BYTES = 64 * 2**20
"""Bases up to this size are read and hashed whenever they are opened. Larger ones are mapped, and
hashed only if their modification time differs from the manifest."""

ManifestTag = tuple[int, int, int]
"""Differs between two manifests of one folder."""

_MANIFEST = "manifest.json"
_FORMAT = 1


class DamagedBaseError(Exception):
    """The base cannot be used, and is rebuilt. Never raised to callers outside storage."""


@dataclass(frozen=True)
class Manifest:
    """The description of a base."""

    file: str
    size_bytes: int
    modified_ns: int
    sha256: str
    position: Position
    count: int
    """Vectors in the file, including masked ones."""
    trained_count: int
    """Number of vectors when the index was last built from scratch."""
    factory: str
    dimension: int
    format: int = _FORMAT


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest.

    Returns:
        None if there is no index.

    Raises:
        DamagedBaseError: it is damaged, or of another version.
    """
    try:
        document = json.loads((folder / _MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedBaseError(f"its manifest cannot be read ({error})") from error
    try:
        manifest = Manifest(**{**document, "position": Position(*document["position"])})
        sound = manifest.format == _FORMAT and Path(manifest.file).name == manifest.file
        sound = sound and all(isinstance(part, int) for part in manifest.position)
    except (TypeError, KeyError) as error:
        raise DamagedBaseError("its manifest is damaged") from error
    if not sound:
        raise DamagedBaseError("its manifest has another format version")
    return manifest


def manifest_tag(folder: Path) -> ManifestTag | None:
    """A value that changes with the manifest; None if there is no manifest. Cheap."""
    try:
        status = (folder / _MANIFEST).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_base(
    folder: Path, manifest: Manifest, *, always_hash: bool = False, private: bool = False
) -> Any:
    """Open a base after checking it against its manifest.

    Args:
        folder: of the base and the manifest.
        manifest: of the base.
        always_hash: hash it, however large it is.
        private: return a copy in memory that may be changed.

    Returns:
        The faiss index, memory-mapped where its kind allows.

    Raises:
        DamagedBaseError: it is missing, truncated or a different file.
    """
    faiss = load_faiss()

    path = folder / manifest.file
    try:
        status = path.stat()
        if status.st_size != manifest.size_bytes:
            raise DamagedBaseError(
                f"{path.name} has {status.st_size} bytes, not {manifest.size_bytes}"
            )
        touched = status.st_mtime_ns != manifest.modified_ns
        if status.st_size <= ALWAYS_HASHED_BYTES:
            # The bytes that were hashed are used, whatever happens to the file now.
            data = path.read_bytes()
            _check_hash(hashlib.sha256(data).hexdigest(), manifest)
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        else:
            if always_hash or touched:
                _check_hash(hash_file(path), manifest)
            if touched:
                _note_time(folder, manifest, status.st_mtime_ns)
            # IO_FLAG_MMAP_IFC maps flat storage (200k x 384: 0.04 s, against 0.8 s for reading it)
            # and inverted lists; other kinds are read.
            index = faiss.read_index(str(path), 0 if private else faiss.IO_FLAG_MMAP_IFC)
    except OSError as error:
        raise DamagedBaseError(f"{path.name} cannot be read ({error.strerror})") from error
    except RuntimeError as error:
        raise DamagedBaseError(f"{path.name} cannot be read by faiss") from error
    if index.ntotal != manifest.count or index.d != manifest.dimension:
        raise DamagedBaseError(f"{path.name} has {index.ntotal} vectors of dimension {index.d}")
    return index


def write_base(folder: Path, index: Any, manifest: Manifest) -> Manifest | None:
    """Write a base, then make it the current one by one rename.

    Args:
        folder: created if missing.
        index: the faiss index.
        manifest: with file, size, time and hash still empty.

    Returns:
        The complete manifest; None if another process is writing here.

    Raises:
        OSError: the disk is full or read-only. The previous base stays in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLease(folder / "lock", name=str(folder)).held():
            return _write(folder, index, manifest)
    except LibraryLockedError:
        _logger.debug("Another process is writing %s", folder)
        return None


def _write(folder: Path, index: Any, manifest: Manifest) -> Manifest:

    name = f"base-{manifest.position.sequence}-{secrets.token_hex(4)}.faiss"
    unfinished = folder / f"{name}.unfinished"
    try:
        sha256 = _write_index(unfinished, index)
        status = unfinished.stat()
        complete = replace(
            manifest,
            file=name,
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            sha256=sha256,
        )
        unfinished.rename(folder / name)
        _write_manifest(folder, complete)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _remove_others(folder, name)
    return complete


def _write_index(path: Path, index: Any) -> str:
    """Write a faiss index and flush it to disk; return its SHA-256."""
    faiss = load_faiss()

    digest = hashlib.sha256()
    failures: list[OSError] = []
    with path.open("wb") as file:

        def write(data: bytes) -> None:
            digest.update(data)
            try:
                file.write(data)
            except OSError as error:  # faiss would turn it into a RuntimeError without errno
                failures.append(error)
                raise

        try:
            faiss.write_index(index, faiss.PyCallbackIOWriter(write))
            file.flush()
        except RuntimeError:
            if failures:
                raise failures[0] from None
            raise
        os.fsync(file.fileno())
    return digest.hexdigest()


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    unfinished = folder / f"{_MANIFEST}.{secrets.token_hex(4)}.unfinished"
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(asdict(manifest), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / _MANIFEST)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _note_time(folder: Path, manifest: Manifest, modified_ns: int) -> None:
    """Store the modification time, so that a copied library is not hashed at every start."""
    try:
        with FileLease(folder / "lock", name=str(folder)).held():
            if read_manifest(folder) == manifest:
                _write_manifest(folder, replace(manifest, modified_ns=modified_ns))
    except (OSError, LibraryLockedError, DamagedBaseError):
        pass  # in a read-only folder the base is hashed each time


def _remove_others(folder: Path, name: str) -> None:
    """Delete older bases and unfinished files. Readers keep the files that they have open."""
    for path in folder.iterdir():
        if path.name != name and (path.suffix == ".unfinished" or path.name.startswith("base-")):
            try:
                path.unlink()
            except OSError:  # on Windows, while a reader has it mapped; deleted next time
                _logger.debug("Left %s", path)


def sync_folder(folder: Path) -> None:
    """Flush renames in a folder to disk, where the system supports it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_hash(sha256: str, manifest: Manifest) -> None:
    if sha256 != manifest.sha256:
        raise DamagedBaseError(f"{manifest.file} does not have the hash in its manifest")
