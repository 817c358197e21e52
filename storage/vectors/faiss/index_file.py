"""The base of a vector index on disk: one immutable FAISS file and a manifest that vouches for it.

vectors/<fingerprint>/manifest.json     which file, at which position of history, and its hash
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
"""Up to this size a base is read and hashed whenever it is opened; a larger one is mapped, and
hashed where its time is not what the manifest says."""

ManifestTag = tuple[int, int, int]
"""Differs between two manifests of one folder."""

_MANIFEST = "manifest.json"
_FORMAT = 1


class DamagedBaseError(Exception):
    """The base cannot be used; the message says why. Stays inside storage: it heals itself."""


@dataclass(frozen=True)
class Manifest:
    """What a base is."""

    file: str
    size_bytes: int
    modified_ns: int
    sha256: str
    position: Position
    count: int
    """Vectors in the file, with those that are masked."""
    trained_count: int
    """Vectors there were when the file was last built from nothing."""
    factory: str
    dimension: int
    format: int = _FORMAT


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest.

    Returns:
        None if there is none.

    Raises:
        DamagedBaseError: it is garbage, or of another version.
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
        raise DamagedBaseError("its manifest is garbage") from error
    if not sound:
        raise DamagedBaseError("its manifest is of another version")
    return manifest


def manifest_tag(folder: Path) -> ManifestTag | None:
    """What changes when the manifest does; None if there is none. Cheap."""
    try:
        status = (folder / _MANIFEST).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def read_base(
    folder: Path, manifest: Manifest, *, always_hash: bool = False, private: bool = False
) -> Any:
    """Open a base after checking that it is what the manifest says.

    Args:
        folder: holds it.
        manifest: says what it is.
        always_hash: read all of it, however large.
        private: give a copy in memory that may be changed.

    Returns:
        The faiss index, memory-mapped where its kind allows.

    Raises:
        DamagedBaseError: it is missing, truncated or something else.
    """
    faiss = load_faiss()

    path = folder / manifest.file
    try:
        status = path.stat()
        if status.st_size != manifest.size_bytes:
            raise DamagedBaseError(
                f"{path.name} has {status.st_size} bytes, should have {manifest.size_bytes}"
            )
        touched = status.st_mtime_ns != manifest.modified_ns
        if status.st_size <= ALWAYS_HASHED_BYTES:
            # What was hashed is what is used, whatever happens to the file now.
            data = path.read_bytes()
            _check_hash(hashlib.sha256(data).hexdigest(), manifest)
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        else:
            if always_hash or touched:
                _check_hash(hash_file(path), manifest)
            if touched:
                _note_time(folder, manifest, status.st_mtime_ns)
            # IO_FLAG_MMAP_IFC maps flat storage (200k x 384: 0.04 s, against 0.8 s for reading it)
            # and inverted lists; what it cannot map is read.
            index = faiss.read_index(str(path), 0 if private else faiss.IO_FLAG_MMAP_IFC)
    except OSError as error:
        raise DamagedBaseError(f"{path.name} cannot be read ({error.strerror})") from error
    except RuntimeError as error:
        raise DamagedBaseError(f"{path.name} cannot be read by faiss") from error
    if index.ntotal != manifest.count or index.d != manifest.dimension:
        raise DamagedBaseError(f"{path.name} holds {index.ntotal} vectors of {index.d}")
    return index


def write_base(folder: Path, index: Any, manifest: Manifest) -> Manifest | None:
    """Write a base and then, by one rename, make it the one that is used.

    Args:
        folder: where; made if it is missing.
        index: the faiss index.
        manifest: with file, size, time and hash still empty.

    Returns:
        The complete manifest; None if another process is writing here.

    Raises:
        OSError: the disk is full or read-only. What was there before is still used.
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
    """Write a faiss index and give its SHA-256; on the disk when this returns."""
    faiss = load_faiss()

    digest = hashlib.sha256()
    failures: list[OSError] = []
    with path.open("wb") as file:

        def write(data: bytes) -> None:
            digest.update(data)
            try:
                file.write(data)
            except OSError as error:  # faiss would make a RuntimeError without errno of it
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
    """Keep a copied library from being hashed at every start."""
    try:
        with FileLease(folder / "lock", name=str(folder)).held():
            if read_manifest(folder) == manifest:
                _write_manifest(folder, replace(manifest, modified_ns=modified_ns))
    except (OSError, LibraryLockedError, DamagedBaseError):
        pass  # a read-only folder: hashing again is right, only slower


def _remove_others(folder: Path, name: str) -> None:
    """Remove older bases and what killed processes left. Readers keep what they have open."""
    for path in folder.iterdir():
        if path.name != name and (path.suffix == ".unfinished" or path.name.startswith("base-")):
            try:
                path.unlink()
            except OSError:  # Windows, while a reader has it mapped: the next time
                _logger.debug("Left %s", path)


def sync_folder(folder: Path) -> None:
    """Put renames in a folder on the disk, where the system knows how."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_hash(sha256: str, manifest: Manifest) -> None:
    if sha256 != manifest.sha256:
        raise DamagedBaseError(f"{manifest.file} does not hold what was written")
