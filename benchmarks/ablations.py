"""Ablations of the visual encoder: without its Transformer, and at other picture sizes.

python -m benchmarks.ablations [--data ../shared/data] [--pictures 1000]

Prints two tables for the committed weights, on dev rows: recall with and without the Transformer,
and recall and frames per second for pictures of 160 to 320 pixels a side. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.machine import DATA, processor_name, require_folder
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.preprocessing import squash
from vidseek.encoders.runtime import visual_runtime, visual_session
from vidseek.training.lab.pictures import PictureRow, read_pictures, read_rows
from vidseek.training.metrics import group_means, ranks, recall
from vidseek.training.networks.export import export_vision
from vidseek.training.networks.restore import restore_vision
from vidseek.training.networks.stem import normalise
from vidseek.training.networks.vision import Vision

SIDES = (160, 192, 224, 260, 288, 320)
BATCH = 32


class DevRows:
    """Dev pictures of Flickr8k with their first captions, dev videos of MSR-VTT."""

    def __init__(self, encoder: BuiltinEncoder, data: Path, most: int) -> None:
        self.pictures, self.flickr = _dev(data, "flickr8k", most)
        self.frames, self.msrvtt = _dev(data, "msrvtt", 10**9)
        self.groups = [str(row.group) for row in self.msrvtt]
        caption = {str(row.group): row.captions[0] for row in self.msrvtt}
        self.picture_queries = encoder.encode_text([row.captions[0] for row in self.flickr])
        self.video_queries = encoder.encode_text([caption[name] for name in sorted(caption)])

    def row(self, pictures: NDArray[np.float32], frames: NDArray[np.float32]) -> str:
        """Table cells from the vectors of pictures and video frames."""
        rank = ranks(self.picture_queries @ pictures.T, np.arange(len(pictures)))
        means, names = group_means(frames, self.groups)
        videos = ranks(self.video_queries @ means.T, np.arange(len(names)))
        cells = [recall(rank, 1), recall(rank, 10), recall(videos, 10)]
        return " | ".join(f"{cell:.1f}" for cell in cells)


def _dev(data: Path, name: str, most: int) -> tuple[list[NDArray[np.uint8]], list[PictureRow]]:
    rows = [row for row in read_rows(data, name) if row.split == "dev"][:most]
    wanted = {row.index for row in rows}
    pictures = [picture for i, picture in enumerate(read_pictures(data, name)) if i in wanted]
    return pictures, rows


def _squares(pictures: list[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    return np.concatenate([squash(picture[None], side) for picture in pictures])


@torch.inference_mode()
def parts(vision: Vision, rows: DevRows) -> None:
    """Print recall of the whole encoder, without the Transformer, and of the Transformer alone."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for pictures in (rows.pictures, rows.frames):
        kinds: dict[str, list[torch.Tensor]] = {}
        for start in range(0, len(pictures), BATCH):
            squares = _squares(pictures[start : start + BATCH], vision.config.image_size)
            fine = vision.stem.fine_map(
                normalise(torch.from_numpy(squares).permute(0, 3, 1, 2).contiguous())
            )
            whole = vision(fine)
            plain = vision.head(whole.pooled) + vision.shortcut(whole.pooled)
            leading = vision.embeddings(fine, vision.stem.coarse_map(fine))
            for layer in vision.layers:
                leading = layer(leading)
            added = vision.transformer_output(vision.layernorm(leading[:, 0]))
            for name, vectors in (
                ("whole", whole.vectors),
                ("plain pooling of the stem (Transformer left out)", plain),
                ("Transformer alone", added),
            ):
                kinds.setdefault(name, []).append(functional.normalize(vectors, dim=-1))
        for name, some in kinds.items():
            found.setdefault(name, []).append(torch.cat(some).numpy())
    print("\n| what makes the vector | Flickr8k dev R@1 | R@10 | MSR-VTT dev R@10 |")
    print("| --- | --- | --- | --- |")
    for name, (first, second) in found.items():
        print(f"| {name} | {rows.row(first, second)} |", flush=True)


def sizes(vision: Vision, rows: DevRows, folder: Path) -> None:
    """Print recall and frames per second by picture size."""
    speed = f"frames/s ({visual_runtime()})"
    print(f"\n| side, px | Flickr8k dev R@1 | R@10 | MSR-VTT dev R@10 | {speed} |")
    print("| --- | --- | --- | --- | --- |")
    for side in SIDES:
        file = folder / f"{side}.onnx"
        export_vision(vision, file, side=side)
        session = visual_session(file.read_bytes(), threads=torch.get_num_threads())
        vectors = []
        for pictures in (rows.pictures, rows.frames):
            some = []
            for start in range(0, len(pictures), 4):
                squares = _squares(pictures[start : start + 4], side)
                some.append(session.run(["vectors"], {"pictures": squares})[0])
            found = np.concatenate(some)
            vectors.append(found / np.linalg.norm(found, axis=1, keepdims=True))
        squares = _squares(rows.pictures[:4], side)
        seconds = []
        for _ in range(15):
            started = time.perf_counter()
            session.run(["vectors"], {"pictures": squares})
            seconds.append(time.perf_counter() - started)
        print(f"| {side} | {rows.row(*vectors)} | {4 / np.median(seconds):.0f} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=int, default=1000, help="of Flickr8k's dev rows")
    arguments = parser.parse_args()
    require_folder(parser, arguments.data)
    encoder = BuiltinEncoder()
    print(f"# Ablations: {encoder.spec.source} {encoder.spec.revision}\n\n{processor_name()}")
    print(f"ONNX Runtime {onnxruntime.__version__}, torch {torch.__version__}")
    rows = DevRows(encoder, arguments.data, arguments.pictures)
    vision = restore_vision(read_manifest().read("vision")).eval()
    parts(copy.deepcopy(vision), rows)
    with tempfile.TemporaryDirectory() as folder:
        sizes(vision, rows, Path(folder))


if __name__ == "__main__":
    main()
