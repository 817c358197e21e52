"""Training pictures, sharp and degraded, as the blocks see them that are trained here.

    cache = ViewCache(Path(".cache/robust"))
    cache.fill(data, weights, CacheShare(worker=0, workers=2), until=time.time() + 240)
    chunk = cache.read(cache.names()[0])
    chunk.fine[3, 0]                 # (17, 17, 120) of the fourth picture, sharp; 1 to 3 degraded

The first blocks of the stem are frozen, so their maps are computed once. Pictures are in a random
order and stored chunk by chunk: training can begin with the first, and an interrupted call
continues after the last.
"""

from __future__ import annotations

import io
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vidseek.core.errors import WeightsError
from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import Session, visual_session
from vidseek.training.lab.motion import motion_files, read_clips
from vidseek.training.lab.pictures import picture_files, read_rows
from vidseek.training.lab.robust.poor_views import make_poor
from vidseek.training.networks.class_names import ClassNames
from vidseek.training.networks.export import finish, trace
from vidseek.training.networks.restore import restore_vision
from vidseek.training.networks.stem import PICTURE_SIZE, normalise
from vidseek.training.networks.vision import Vision

logger = logging.getLogger(__name__)

SETS = {
    "flickr8k": 6000,
    "msrvtt": 2200,
    "misc": 1000,
    "sports100": 700,
    "caltech101": 400,
    "coco": 240,
}
"""Training pictures at most, by set."""
MOTION = "motion"
MOTION_CLIPS = 400
POOR_VIEWS = 3
"""Degraded views of each picture."""
CHUNK = 40
"""Pictures in a chunk: 11 MB of maps and 5 MB of what they lead to."""
SEED = 5
ARRAYS = ("fine", "aligned", "coarse", "pooled", "names_coarse", "names_pooled")
MAPS = ("fine", "coarse", "names_coarse")
SHARP_OUTPUTS = ["fine", "coarse", "pooled", "names_coarse", "names_pooled"]


@dataclass(frozen=True)
class CacheShare:
    """Which chunks a process fills."""

    worker: int = 0
    workers: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Chunk:
    """N pictures with V views each; the first view is sharp. All maps float16, channels last."""

    fine: NDArray[np.float16]
    """(N, V, 17, 17, 120) maps after the frozen blocks."""
    aligned: NDArray[np.bool_]
    """(N, V) False where the view has bars, so that its cells show other places."""
    coarse: NDArray[np.float16]
    """(N, 9, 9, 352) of the sharp view, by the tuned blocks that ship."""
    pooled: NDArray[np.float16]
    """(N, 1280) of the sharp view, by the tuned blocks that ship."""
    names_coarse: NDArray[np.float16]
    """(N, 9, 9, 352) of the sharp view, by the untouched blocks."""
    names_pooled: NDArray[np.float16]
    """(N, 1280) of the sharp view, by the untouched blocks."""


class ViewCache:
    """A folder of chunks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Names of the chunks stored so far, in order."""
        return sorted(file.stem for file in self.folder.glob("chunk-*.done"))

    def read(self, name: str) -> Chunk:
        """A chunk; its maps are read from disk when they are used."""
        arrays = {
            array: np.load(
                self.folder / f"{name}-{array}.npy", mmap_mode="r" if array in MAPS else None
            )
            for array in ARRAYS
        }
        return Chunk(**arrays)

    def fill(self, data: Path, weights: Path, share: CacheShare, *, until: float) -> None:
        """Store missing chunks until all are there, or the time ``until`` (of ``time.time()``)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        pictures = TrainPictures(data)
        networks = _Networks(weights, threads=share.threads)
        for number in range(share.worker, len(pictures) // CHUNK, share.workers):
            stem = f"chunk-{number:04d}"
            if (self.folder / f"{stem}.done").exists():
                continue
            if time.time() >= until:
                return
            started = time.monotonic()
            places = range(number * CHUNK, (number + 1) * CHUNK)
            for name, values in _chunk(pictures, places, networks).items():
                np.save(self.folder / f"{stem}-{name}.npy", values)
            (self.folder / f"{stem}.done").touch()
            seconds = time.monotonic() - started
            logger.info("%s: %.1f views a second", stem, CHUNK * (1 + POOR_VIEWS) / seconds)


class TrainPictures:
    """Training pictures of all sets in a random order, which is always the same."""

    def __init__(self, data: Path) -> None:
        import pyarrow.parquet as parquet

        random = np.random.default_rng(SEED)
        blobs: list[bytes] = []
        for name, most in SETS.items():
            column = [
                blob
                for file in picture_files(data, name)
                for blob in parquet.read_table(file, columns=["image"]).column("image").to_pylist()
            ]
            rows = [row for row in read_rows(data, name) if row.split == "train"]
            if name == "msrvtt":  # one frame of each video
                rows = [*{row.group: row for row in rows}.values()]
            chosen = random.choice(len(rows), min(most, len(rows)), replace=False)
            blobs += [column[rows[place].index] for place in chosen]
        clips = [
            frames
            for file in motion_files(data)
            for frames in parquet.read_table(file, columns=["frames"]).column("frames").to_pylist()
        ]
        train = [clip.index for clip in read_clips(data) if clip.split == "train"]
        for place in random.choice(train, min(MOTION_CLIPS, len(train)), replace=False):
            blobs.append(clips[place][random.integers(len(clips[place]))])
        self._blobs = [blobs[place] for place in random.permutation(len(blobs))]

    def __len__(self) -> int:
        return len(self._blobs)

    def __getitem__(self, place: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self._blobs[place])).convert("RGB"))


def _chunk(
    pictures: TrainPictures, places: Sequence[int], networks: _Networks
) -> dict[str, NDArray[np.generic]]:
    fine, aligned = [], []
    sharp: dict[str, list[NDArray[np.float16]]] = {name: [] for name in SHARP_OUTPUTS[1:]}
    for place in places:
        picture = pictures[place]
        views = [
            make_poor(picture, np.random.default_rng([SEED, place, view]))
            for view in range(POOR_VIEWS)
        ]
        maps, first = networks.run(picture, views)
        fine.append(maps)
        aligned.append([True, *(view.shape == picture.shape for view in views)])
        for name, values in first.items():
            sharp[name].append(values)
    return {
        "fine": np.stack(fine),
        "aligned": np.array(aligned),
        **{name: np.stack(values) for name, values in sharp.items()},
    }


class _Networks:
    """The frozen blocks, and all blocks as they ship."""

    def __init__(self, weights: Path, *, threads: int) -> None:
        vision = restore_vision(read_manifest(weights).read("vision"))
        if vision.names is None:
            raise WeightsError(f"{weights}: a model without names of classes")
        del vision.stem.classes
        self._fine = _session(_Fine(vision), ["fine"], threads)
        self._all = _session(_All(vision), SHARP_OUTPUTS, threads)

    def run(
        self, picture: NDArray[np.uint8], views: Sequence[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float16], dict[str, NDArray[np.float16]]]:
        """(V, 17, 17, 120) maps of all views, and all other outputs for the sharp one."""
        found = self._all.run(SHARP_OUTPUTS, {"pictures": squash(picture[None], PICTURE_SIZE)})
        squares = np.concatenate([squash(view[None], PICTURE_SIZE) for view in views])
        (poor,) = self._fine.run(["fine"], {"pictures": squares})
        maps = np.concatenate([found[0], poor]).astype(np.float16)
        others = zip(SHARP_OUTPUTS[1:], found[1:], strict=True)
        return maps, {name: values[0].astype(np.float16) for name, values in others}


class _Fine(nn.Module):
    def __init__(self, vision: Vision) -> None:
        super().__init__()
        self.vision = vision

    def forward(self, pictures: Tensor) -> Tensor:
        fine = self.vision.stem.fine_map(normalise(pictures.permute(0, 3, 1, 2)))
        return fine.permute(0, 2, 3, 1)


class _All(_Fine):
    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        stem, names = self.vision.stem, cast("ClassNames", self.vision.names)
        fine = stem.fine_map(normalise(pictures.permute(0, 3, 1, 2)))
        coarse = stem.coarse_map(fine)
        found = [fine, coarse, stem.pooled(coarse)]
        coarse = fine
        for block in names.blocks:
            coarse = block(coarse)
        found += [coarse, functional.relu6(names.last(coarse)).mean((2, 3))]
        return tuple(each.permute(0, 2, 3, 1) if each.dim() == 4 else each for each in found)


def _session(module: nn.Module, outputs: list[str], threads: int) -> Session:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part.onnx"
        trace(
            module,
            (torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8),),
            file,
            inputs={"pictures": {0: "n"}},
            outputs={name: {0: "n"} for name in outputs},
        )
        finish(file, int8=True)  # as they ship
        return visual_session(file.read_bytes(), threads=threads)
