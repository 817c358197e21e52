"""Vectors of a library's clips or frames, as numpy arrays, batches or a Parquet file.

    everything = library.vectors().to_numpy()
    for batch in library.vectors("frames"):
        print(batch.vectors.shape, batch.paths[0], batch.frame_seconds[0])
    library.vectors().to_parquet("clips.parquet")

Clips are read some thousand at a time: iteration and Parquet need little memory however large the
library is.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import FileAccessError, Hint, MissingExtraError, PathNotFoundError
from vidseek.core.job import Job, Progress, check_job
from vidseek.core.paths import AnyPath
from vidseek.core.types import EncoderSpec, VectorBatch, VectorLevel, VideoFilter
from vidseek.models import DEFAULT_ENCODER, LibraryModels
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder

CLIPS_PER_BATCH: dict[VectorLevel, int] = {"clips": 4096, "frames": 512}
"""A clip has up to some tens of frames: both are some megabytes of vectors."""


def stored_spec(models: LibraryModels, model: str | Encoder | None) -> EncoderSpec:
    """The model of a library whose vectors are meant; no model is loaded.

    Args:
        models: the library's.
        model: one of them; None for the active model.

    Raises:
        UnknownEncoderError: the library is not encoded with it.
        LibraryError: the library has no model yet.
    """
    if model is None:
        model = models.active_fingerprint() or DEFAULT_ENCODER
    return models.find(model).spec


class LibraryVectors:
    """The vectors of one model of a library. Get it as ``library.vectors()``; nothing is read yet.

    Iterating reads a batch at a time, each in a transaction of its own: clips that are removed
    meanwhile are left out, and clips that are added meanwhile do not appear.
    """

    def __init__(
        self, store: LibraryStore, spec: EncoderSpec, level: VectorLevel, where: VideoFilter
    ) -> None:
        """Use ``Library.vectors``."""
        arguments.instance(where, VideoFilter, "where")
        if arguments.text(level, "level") not in CLIPS_PER_BATCH:
            raise ValueError(f"level must be 'clips' or 'frames', got {level!r}")
        self._store = store
        self._level: VectorLevel = level
        self._where = where
        self.spec = spec
        """The model of the vectors; ``spec.dimension`` is their length."""

    def __iter__(self) -> Iterator[VectorBatch]:
        ids = self._clip_ids()
        size = CLIPS_PER_BATCH[self._level]
        for start in range(0, len(ids), size):
            yield self._read(ids[start : start + size].tolist())

    def to_numpy(self) -> VectorBatch:
        """Read all vectors into one batch, in one transaction."""
        with self._store.snapshot():
            batches = [self._read([]), *self]
        columns: dict[str, Any] = {}
        for name in (field.name for field in fields(VectorBatch)):
            parts = [getattr(batch, name) for batch in batches]
            if name == "paths":
                columns[name] = tuple(path for part in parts for path in part)
            else:
                columns[name] = None if parts[0] is None else np.concatenate(parts)
        return VectorBatch(**columns)

    def to_parquet(self, file: AnyPath, *, job: Job | None = None) -> int:
        """Write all vectors to a Parquet file, in one transaction; needs the extra ``parquet``.

        The columns are those of ``VectorBatch`` in the singular, ``vector`` as a list of D floats.
        The file's metadata names the model. A file of that name is replaced once the new file is
        complete.

        Args:
            file: the file to write.
            job: reports progress and cancels; a cancelled export writes nothing.

        Returns:
            Number of rows.

        Raises:
            MissingExtraError: pyarrow is not installed.
            PathNotFoundError: the file's folder does not exist.
            FileAccessError: the file cannot be written.
            JobCancelledError: the job was cancelled.
        """
        path = arguments.path(file, "file")
        check_job(job)
        pyarrow, parquet = _import_pyarrow()
        job = job or Job()
        if not path.parent.is_dir():
            raise PathNotFoundError(f"{path.parent} does not exist", path=path)
        # Not named after the file, whose name may be as long as names can be.
        partial = path.with_name(f".vidseek-{secrets.token_hex(8)}.partial")
        rows = done = 0
        try:
            with (
                self._store.snapshot(),
                parquet.ParquetWriter(partial, self._schema(pyarrow), compression="zstd") as writer,
            ):
                total = len(self._clip_ids())
                for batch in self:
                    writer.write_table(self._table(pyarrow, batch))
                    rows += len(batch)
                    done += len(np.unique(batch.clip_ids))
                    job.report(Progress(stage="exporting", done=done, total=total, unit="clips"))
                    job.check()
            partial.replace(path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise FileAccessError(f"{path} cannot be written: {reason}", path=path) from error
        finally:
            partial.unlink(missing_ok=True)
        return rows

    def _clip_ids(self) -> NDArray[np.int64]:
        return self._store.clip_vectors.ids(self._where, self.spec.fingerprint)

    def _read(self, clip_ids: list[int]) -> VectorBatch:
        return self._store.clip_vectors.batch(clip_ids, self.spec.fingerprint, self._level)

    def _schema(self, pyarrow: Any) -> Any:
        columns = {
            "clip_id": pyarrow.int64(),
            "video_id": pyarrow.int64(),
            "path": pyarrow.string(),
            "start_seconds": pyarrow.float64(),
            "end_seconds": pyarrow.float64(),
        }
        if self._level == "frames":
            columns["frame_seconds"] = pyarrow.float64()
        columns["vector"] = pyarrow.list_(pyarrow.float32(), self.spec.dimension)
        facts = {
            "vidseek.model": self.spec.source,
            "vidseek.fingerprint": self.spec.fingerprint,
            "vidseek.level": self._level,
        }
        return pyarrow.schema(list(columns.items()), metadata=facts)

    def _table(self, pyarrow: Any, batch: VectorBatch) -> Any:
        columns = [
            batch.clip_ids,
            batch.video_ids,
            [_as_text(path) for path in batch.paths],
            batch.start_seconds,
            batch.end_seconds,
        ]
        if batch.frame_seconds is not None:
            columns.append(batch.frame_seconds)
        flat = pyarrow.array(batch.vectors.ravel())
        columns.append(pyarrow.FixedSizeListArray.from_arrays(flat, self.spec.dimension))
        return pyarrow.table(columns, schema=self._schema(pyarrow))


def _as_text(path: Path) -> str:
    """A path as valid UTF-8: bytes of a name that are not are written as ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _import_pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow, which is not installed",
            hint=Hint("install_extra", {"extra": "parquet"}),
        ) from error
    return pyarrow, parquet
