"""Clips of a moving camera made from stills: windows that slide over a picture's map or zoom in.

clips = pan_clips(vision, pictures, rows, file)      # (N, 3, 5, 384): across, down, closing in
vectors, kind = draw_pans(clips, chosen, random)     # (B, 5, 384) and (B,) places in KINDS
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.training.lab.batches import SIDE, PictureSet
from vidseek.training.lab.pictures import PictureRow
from vidseek.training.networks.vision import Vision
from vidseek.training.optimisation import encoding_precision
from vidseek.training.stem_maps import load_maps

KINDS = (
    "pans right",
    "pans left",
    "tilts down",
    "tilts up",
    "zooms in",
    "zooms out",
    "stands still",
)
FRAMES = 5
WINDOW = 11
"""Side of the sliding window in cells, of 17."""


def _window(path: int, step: int) -> tuple[int, int, int]:
    """Top, left and side of a frame's window, in cells."""
    offset = round(step * (SIDE - WINDOW) / (FRAMES - 1))
    middle = (SIDE - WINDOW) // 2
    if path == 0:
        return middle, offset, WINDOW
    if path == 1:
        return offset, middle, WINDOW
    return step, step, SIDE - 2 * step


@torch.inference_mode()
def pan_clips(
    vision: Vision, pictures: PictureSet, rows: list[PictureRow], file: Path, *, batch: int = 96
) -> NDArray[np.float32]:
    """(N, 3, 5, 384) float32 frame vectors of three camera paths over every row's picture.

    The result is stored in ``file`` and read from there the next time.
    """
    if file.exists():
        stored: NDArray[np.float32] = np.load(file)["clips"].astype(np.float32)
        return stored
    vision.eval()
    clips = np.empty((len(rows), 3, FRAMES, vision.config.projection_size), np.float16)
    for start in range(0, len(rows), batch):
        batch_rows = slice(start, min(start + batch, len(rows)))
        maps = pictures.maps.fine[[row.index for row in rows[batch_rows]]]
        for path in range(3):
            for step in range(FRAMES):
                top, left, side = _window(path, step)
                window = load_maps(maps[:, top : top + side, left : left + side])
                with encoding_precision(vision.device):
                    vectors = vision(window.to(vision.device)).vectors
                clips[batch_rows, path, step] = vectors.cpu().numpy()
    np.savez(file, clips=clips)
    return clips.astype(np.float32)


def draw_pans(
    clips: NDArray[np.float32], chosen: NDArray[np.intp], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """A random camera movement for each chosen picture.

    Returns:
        (B, 5, 384) frame vectors and (B,) positions in ``KINDS``.
    """
    kinds = random.integers(len(KINDS), size=len(chosen))
    vectors = np.empty((len(chosen), *clips.shape[2:]), np.float32)
    for row, (place, kind) in enumerate(zip(chosen, kinds, strict=True)):
        if kind == len(KINDS) - 1:
            frame = clips[place, 0, FRAMES // 2]
            vectors[row] = frame + random.normal(0, 0.01, clips.shape[2:])
        else:
            path = clips[place, kind // 2]
            vectors[row] = path[::-1] if kind % 2 else path
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors, kinds
