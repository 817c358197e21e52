"""Write the copy descriptor's files from a run: the network, and background vectors.

export_copies(Path(".cache/runs/copies"), open_pictures(Path(".cache/copies")), None)
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from vidseek.encoders.copies.descriptor import (
    BACKGROUND_FILE,
    FLAT_DEVIATION,
    NETWORK_FILE,
    CopyDescriptor,
    write_copy_manifest,
)
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.runtime import onnxruntime_session
from vidseek.training.lab.copies.overlays import draw_slides
from vidseek.training.lab.copies.pictures import TrainingPictures
from vidseek.training.networks.copy_network import (
    DIMENSION,
    PICTURE_SIZE,
    CopyNetwork,
    load_imagenet_copy_network,
)
from vidseek.training.networks.export import finish, trace
from vidseek.training.networks.stem import normalise

logger = logging.getLogger(__name__)

BACKGROUND_VECTORS = 4096
"""Most pictures in the background; their vectors take half a megabyte."""
SLIDES = 500
"""Drawn titles and slides in the background."""
PLAIN_CUTOUTS = 750
"""Most cut-outs with little detail: skies, water, walls, which look alike."""
CUTOUTS_PER_PICTURE, MAX_PLAIN_DETAIL = 4, 3.0
"""Largest mean difference of neighbouring grey levels, summed over rows and columns."""


class _DescriptorGraph(nn.Module):
    """Maps uint8 pictures to vectors."""

    def __init__(self, network: CopyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        vectors: Tensor = self.network(normalise(pictures.permute(0, 3, 1, 2)))
        return vectors


def export_copies(run: Path, pictures: TrainingPictures, folder: Path | None) -> CopyDescriptor:
    """Write the network and the background vectors.

    Args:
        run: folder of the training run; without a checkpoint ImageNet's weights are exported with a
            random projection, as a baseline.
        pictures: those of the split ``background`` become the vectors for score normalisation.
        folder: where the files go; None for the package's weights.
    """
    folder = folder or WEIGHTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    network = load_imagenet_copy_network()
    checkpoint = run / "copies.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
        prefix = "module."
        network.load_state_dict(
            {
                name[len(prefix) :]: values
                for name, values in state.items()
                if name.startswith(prefix)
            }
        )
    network.eval()
    path = folder / NETWORK_FILE
    example = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    trace(
        _DescriptorGraph(network),
        (example,),
        path,
        inputs={"pictures": {0: "n"}},
        outputs={"vectors": {0: "n"}},
    )
    finish(path, int8=True)
    return export_background(pictures, folder)


def export_background(pictures: TrainingPictures, folder: Path | None) -> CopyDescriptor:
    """Rewrite the vectors for score normalisation with the network in the folder.

    Args:
        pictures: those of the split ``background`` are used, and plain cut-outs of all.
        folder: where the network is; None for the package's weights.
    """
    folder = folder or WEIGHTS_FOLDER
    _write_background(folder / NETWORK_FILE, pictures, folder / BACKGROUND_FILE)
    write_copy_manifest(folder, dimension=DIMENSION, picture_size=PICTURE_SIZE)
    return CopyDescriptor(folder)


def plain_cutouts(
    pixels: NDArray[np.uint8], most: int = PLAIN_CUTOUTS, *, seed: int = 0
) -> NDArray[np.uint8]:
    """Cut-outs of pictures with almost no detail that are not of a single colour.

    Args:
        pixels: (N, S, S, 3) uint8 RGB, may be memory-mapped.
        most: most cut-outs, evenly spaced.
        seed: random seed of their positions.

    Returns:
        (K, S, S, 3) uint8 RGB.
    """
    random = np.random.default_rng([seed, 79])
    side = pixels.shape[1]
    candidates: list[NDArray[np.uint8]] = []
    for picture in pixels:
        for _ in range(CUTOUTS_PER_PICTURE):
            share = random.uniform(0.35, 0.7)
            height = int(side * share)
            width = int(side * min(1.0, share * random.uniform(0.8, 1.5)))
            # Half of the cut-outs start at the top, where skies are.
            top = int(random.integers(0, side + 1 - height)) * int(random.integers(0, 2))
            left = int(random.integers(0, side + 1 - width))
            part = picture[top : top + height, left : left + width]
            grey = part.mean(-1)
            detail = sum(float(np.abs(np.diff(grey, axis=axis)).mean()) for axis in (0, 1))
            if detail < MAX_PLAIN_DETAIL and grey.std() >= FLAT_DEVIATION:
                candidates.append(np.array(part))
    chosen = np.linspace(0, len(candidates) - 1, min(most, len(candidates))).astype(int)
    cutouts = np.empty((len(chosen), side, side, 3), np.uint8)
    for row, place in enumerate(chosen):
        cutouts[row] = np.asarray(Image.fromarray(candidates[place]).resize((side, side)))
    return cutouts


def _write_background(network: Path, pictures: TrainingPictures, path: Path) -> None:
    from vidseek.encoders.preprocessing import squash

    session = onnxruntime_session(network.read_bytes(), threads=2)
    rows = np.flatnonzero(pictures.is_background)
    rows = rows[np.linspace(0, len(rows) - 1, min(BACKGROUND_VECTORS, len(rows))).astype(int)]
    slides = draw_slides(0, SLIDES)
    vectors = []
    for source in (pictures.pixels[rows], slides, plain_cutouts(pictures.pixels)):
        for start in range(0, len(source), 64):
            squares = squash(source[start : start + 64], PICTURE_SIZE)
            vectors.append(session.run(None, {"pictures": squares})[0])
    steps = np.round(np.concatenate(vectors) * 127).astype(np.int8)
    np.save(path, steps)
    logger.info("%d background vectors in %s", len(steps), path)
