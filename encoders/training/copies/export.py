"""Write the copy descriptor's files from a run: the network, and vectors that nothing is a copy of.

export_copies(Path(".cache/runs/copies"), open_pictures(Path(".cache/copies")), None)
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vidseek.encoders.copy_descriptor import (
    BACKGROUND_FILE,
    NETWORK_FILE,
    CopyDescriptor,
    write_copy_manifest,
)
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.model.copy_network import (
    DIMENSION,
    PICTURE_SIZE,
    CopyNetwork,
    load_imagenet_copy_network,
)
from vidseek.encoders.model.export import finish, trace
from vidseek.encoders.model.stem import normalise
from vidseek.encoders.runtime import onnxruntime_session
from vidseek.encoders.training.copies.pictures import TrainingPictures
from vidseek.encoders.training.copies.views import draw_slides

logger = logging.getLogger(__name__)

BACKGROUND_VECTORS = 4096
"""Pictures at most; with them half a megabyte."""
SLIDES = 500
"""Titles and slides that are drawn besides."""


class _Described(nn.Module):
    """Pictures as they come to vectors."""

    def __init__(self, network: CopyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        vectors: Tensor = self.network(normalise(pictures.permute(0, 3, 1, 2)))
        return vectors


def export_copies(run: Path, pictures: TrainingPictures, folder: Path | None) -> CopyDescriptor:
    """Write what ships.

    Args:
        run: folder of the training run; without a checkpoint ImageNet's weights are exported under
            a random projection, as a baseline.
        pictures: those of the split ``background`` become the vectors for score normalisation.
        folder: where to; the package's weights if None.
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
            {name[len(prefix) :]: one for name, one in state.items() if name.startswith(prefix)}
        )
    network.eval()
    path = folder / NETWORK_FILE
    example = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    trace(
        _Described(network),
        (example,),
        path,
        inputs={"pictures": {0: "n"}},
        outputs={"vectors": {0: "n"}},
    )
    finish(path, int8=True)
    _write_background(path, pictures, folder / BACKGROUND_FILE)
    write_copy_manifest(folder, dimension=DIMENSION, picture_size=PICTURE_SIZE)
    return CopyDescriptor(folder)


def _write_background(network: Path, pictures: TrainingPictures, path: Path) -> None:
    from vidseek.encoders.preprocessing import squash

    session = onnxruntime_session(network.read_bytes(), threads=2)
    rows = np.flatnonzero(pictures.is_background)
    rows = rows[np.linspace(0, len(rows) - 1, min(BACKGROUND_VECTORS, len(rows))).astype(int)]
    slides = draw_slides(0, SLIDES)
    vectors = []
    for source in (pictures.pixels[rows], slides):
        for start in range(0, len(source), 64):
            squares = squash(source[start : start + 64], PICTURE_SIZE)
            vectors.append(session.run(None, {"pictures": squares})[0])
    steps = np.round(np.concatenate(vectors) * 127).astype(np.int8)
    np.save(path, steps)
    logger.info("%d background vectors in %s", len(steps), path)
