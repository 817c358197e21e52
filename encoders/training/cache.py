"""What the frozen part of the stem makes of every training picture, kept on disk.

    cache_pictures(Path("../shared/data"), "flickr8k", Path(".cache/maps"))
    maps = open_maps(Path(".cache/maps"), "flickr8k")
    maps.fine[0]          # (17, 17, 120) int8, in steps of 0.25

The first 15 blocks of the stem are not trained, so their output is computed once: 35 KB a picture.
The run can be stopped at any moment; the next one goes on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.preprocessing import squash
from vidseek.encoders.training.pictures import picture_files, read_pictures, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

STEP = 0.25
"""Size of one int8 step; of the stem's values fewer than one in 10,000 lie outside +-31.75."""
BATCH = 32


@dataclass(frozen=True)
class PictureMaps:
    """The cached features of one set of pictures, memory-mapped."""

    fine: NDArray[np.int8]
    """(N, 17, 17, 120) int8 steps of 0.25: the map after the stem's first 15 blocks."""
    pooled: NDArray[np.float16]
    """(N, 1280) float16: the untouched stem's pooled features."""


def open_maps(cache: Path, name: str) -> PictureMaps:
    """Open what ``cache_pictures`` wrote.

    Raises:
        FileNotFoundError: the set is not cached, or only in part.
    """
    progress = _read_progress(cache / f"{name}.json")
    if progress is None or progress["done"] < progress["rows"]:
        raise FileNotFoundError(
            f"{cache / name} is not cached completely: "
            f"run `python -m vidseek.encoders.training cache --sets {name}`"
        )
    return PictureMaps(
        fine=np.load(cache / f"{name}.fine.npy", mmap_mode="r"),
        pooled=np.load(cache / f"{name}.pooled.npy", mmap_mode="r"),
    )


def cache_pictures(data: Path, name: str, cache: Path, *, threads: int = 2) -> None:
    """Compute and store the features of every picture of one set, going on where it stopped.

    Args:
        data: the data folder.
        name: the set.
        cache: folder for the files, made if missing.
        threads: processor threads for the stem.
    """
    cache.mkdir(parents=True, exist_ok=True)
    session = _stem_session(cache, threads=threads)
    rows = len(read_rows(data, name))
    identity = _identity(data, name)
    progress_file = cache / f"{name}.json"
    progress = _read_progress(progress_file)
    resume = progress is not None and progress["identity"] == identity
    done = progress["done"] if progress is not None and resume else 0
    mode: Any = "r+" if resume else "w+"
    fine = np.lib.format.open_memmap(
        cache / f"{name}.fine.npy", mode=mode, dtype=np.int8, shape=(rows, 17, 17, 120)
    )
    pooled = np.lib.format.open_memmap(
        cache / f"{name}.pooled.npy", mode=mode, dtype=np.float16, shape=(rows, 1280)
    )
    pictures = read_pictures(data, name, start=done)
    started, first = time.monotonic(), done
    while done < rows:
        batch = _next_batch(pictures)
        maps, vectors = session.run(None, {"pictures": batch})
        fine[done : done + len(batch)] = np.clip(np.round(maps / STEP), -127, 127).astype(np.int8)
        pooled[done : done + len(batch)] = vectors.astype(np.float16)
        done += len(batch)
        if done % (BATCH * 16) == 0 or done >= rows:
            fine.flush()
            pooled.flush()
            _write_progress(progress_file, {"done": done, "rows": rows, "identity": identity})
            rate = (done - first) / (time.monotonic() - started)
            logger.info("%s: %d of %d, %.0f pictures/s", name, done, rows, rate)


def _next_batch(pictures: Iterator[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    from vidseek.encoders.model.stem import PICTURE_SIZE

    squares = [squash(picture[None], PICTURE_SIZE) for picture in islice(pictures, BATCH)]
    return np.concatenate(squares)


def _stem_session(cache: Path, *, threads: int) -> Any:
    """The untouched stem in ONNX Runtime: three times as fast as in torch here."""
    import onnxruntime

    from vidseek.encoders.model.export import export_stem

    file = cache / "stem.onnx"
    if not file.exists():
        partial = file.with_suffix(f".{os.getpid()}.partial")
        export_stem(partial)
        partial.replace(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _identity(data: Path, name: str) -> str:
    """Changes when the pictures or the stem change."""
    from vidseek.encoders.model.stem import imagenet_weights_path

    digest = hashlib.sha256(imagenet_weights_path().name.encode())
    for file in picture_files(data, name):
        digest.update(f"{file.name} {file.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def _read_progress(file: Path) -> dict[str, Any] | None:
    if not file.exists():
        return None
    progress: dict[str, Any] = json.loads(file.read_text())
    return progress


def _write_progress(file: Path, progress: dict[str, Any]) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(progress))
    partial.replace(file)
