"""The frozen stem's maps of every training picture, cached on disk.

    cache_pictures(Path("../shared/data"), "flickr8k", Path(".cache/maps"), views=2)
    maps = open_maps(Path(".cache/maps"), "flickr8k", views=2)
    maps.fine[0]          # (17, 17, 120) int8, in steps of 0.25
    maps.views[1][0]      # the same for the second augmented view of a training picture

The first 15 blocks of the stem are not trained, so their output is computed once: 35 KB a picture.
Crops of a map change neither the size of objects nor their colours, so augmented views of training
pictures are cached as well (`augmentation.py`). The run can be stopped at any time and resumed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.preprocessing import squash
from vidseek.training.lab.augmentation import change_picture
from vidseek.training.lab.pictures import picture_files, read_pictures, read_rows
from vidseek.training.networks.stem import PICTURE_SIZE
from vidseek.training.stem_maps import to_steps

logger = logging.getLogger(__name__)

BATCH = 32


@dataclass(frozen=True)
class PictureMaps:
    """The cached features of one set of pictures, memory-mapped."""

    fine: NDArray[np.int8]
    """(N, 17, 17, 120) int8 steps of 0.25: the map after the stem's first 15 blocks."""
    pooled: NDArray[np.float16]
    """(N, 1280) float16: the original stem's pooled features."""
    views: tuple[NDArray[np.int8], ...] = ()
    """Maps like ``fine`` of augmented views; only training rows are computed, others are zero."""


def open_maps(cache: Path, name: str, *, views: int = 0) -> PictureMaps:
    """Open the files written by ``cache_pictures``.

    Raises:
        FileNotFoundError: the set is not cached, or only partly.
    """
    for file in (_file(cache, name, view) for view in range(views + 1)):
        progress = _read_progress(file.with_suffix(".json"))
        if progress is None or progress["done"] < progress["rows"]:
            raise FileNotFoundError(
                f"{file} is not cached completely: "
                f"run `python -m vidseek.training.lab cache --sets {name}`"
            )
    return PictureMaps(
        fine=np.load(cache / f"{name}.fine.npy", mmap_mode="r"),
        pooled=np.load(cache / f"{name}.pooled.npy", mmap_mode="r"),
        views=tuple(
            np.load(cache / f"{name}.view{view}.fine.npy", mmap_mode="r")
            for view in range(1, views + 1)
        ),
    )


@dataclass(frozen=True)
class _View:
    """One view of a set: the original pictures (0), or augmented pictures."""

    data: Path
    name: str
    number: int
    file: Path
    """Progress file; the arrays are stored beside it."""
    wanted: list[int]
    """Rows to compute."""
    rows: int
    """Number of rows in the set."""
    identity: str

    def arrays(self, *, resume: bool) -> tuple[np.memmap[Any, Any], np.memmap[Any, Any] | None]:
        """The maps and pooled features on disk; only view 0 has pooled features."""
        mode: Any = "r+" if resume else "w+"
        fine = np.lib.format.open_memmap(
            self.file.with_suffix(".fine.npy"),
            mode=mode,
            dtype=np.int8,
            shape=(self.rows, 17, 17, 120),
        )
        # The pooled features are a training target, computed from the original picture only.
        if self.number:
            return fine, None
        pooled = np.lib.format.open_memmap(
            self.file.with_suffix(".pooled.npy"),
            mode=mode,
            dtype=np.float16,
            shape=(self.rows, 1280),
        )
        return fine, pooled

    def pictures(self, done: int) -> Iterator[NDArray[np.uint8]]:
        """(1, 260, 260, 3) uint8 squares of the wanted rows after the first ``done``, in order."""
        wanted = self.wanted[done:]
        if not wanted:
            return
        chosen = set(wanted)
        pictures = read_pictures(self.data, self.name, start=wanted[0])
        for index, picture in enumerate(pictures, wanted[0]):
            if index not in chosen:
                continue
            square = squash(picture[None], PICTURE_SIZE)
            if self.number:
                seed = [zlib.crc32(self.name.encode()), self.number, index]
                changed = change_picture(square[0], np.random.default_rng(seed))
                square = squash(changed[None], PICTURE_SIZE)
            yield square


def cache_pictures(data: Path, name: str, cache: Path, *, views: int = 0, threads: int = 2) -> None:
    """Compute and store the features of every picture of a set; continues an interrupted call.

    Args:
        data: the data folder.
        name: the set.
        cache: folder for the files; made if missing.
        views: number of augmented views of training pictures.
        threads: processor threads for the stem.
    """
    cache.mkdir(parents=True, exist_ok=True)
    session = _stem_session(cache, threads=threads)
    rows = read_rows(data, name)
    identity = _identity(data, name)
    for number in range(views + 1):
        wanted = [row.index for row in rows if number == 0 or row.split == "train"]
        file = _file(cache, name, number)
        _cache_view(session, _View(data, name, number, file, wanted, len(rows), identity))


def _file(cache: Path, name: str, view: int) -> Path:
    """A view's progress file; its arrays are stored beside it."""
    return cache / (f"{name}.json" if view == 0 else f"{name}.view{view}.json")


def _cache_view(session: Any, view: _View) -> None:
    progress = _read_progress(view.file)
    resume = progress is not None and progress["identity"] == view.identity
    done = progress["done"] if progress is not None and resume else 0
    fine, pooled = view.arrays(resume=resume)
    pictures = view.pictures(done)
    started, first, total = time.monotonic(), done, len(view.wanted)
    while done < total:
        batch = np.concatenate(list(islice(pictures, BATCH)))
        places = view.wanted[done : done + len(batch)]
        maps, vectors = session.run(None, {"pictures": batch})
        fine[places] = to_steps(maps)
        if pooled is not None:
            pooled[places] = vectors.astype(np.float16)
        done += len(batch)
        if done % (BATCH * 16) == 0 or done >= total:
            fine.flush()
            if pooled is not None:
                pooled.flush()
            _write_progress(view.file, {"done": done, "rows": total, "identity": view.identity})
            rate = (done - first) / (time.monotonic() - started)
            logger.info(
                "%s, view %d: %d of %d, %.0f pictures/s", view.name, view.number, done, total, rate
            )


def _stem_session(cache: Path, *, threads: int) -> Any:
    """The original stem in ONNX Runtime, three times as fast as in torch."""
    import onnxruntime

    from vidseek.training.networks.export import export_stem

    file = cache / "stem.onnx"
    if not file.exists():
        partial = file.with_suffix(f".{os.getpid()}.partial")
        export_stem(partial)
        partial.replace(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _identity(data: Path, name: str) -> str:
    """A digest that changes when the pictures or the stem change."""
    from vidseek.training.networks.stem import imagenet_weights_path

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
