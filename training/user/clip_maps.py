"""What the frozen part of the stem makes of a few frames of every captioned clip, kept on disk.

maps = collect_maps(clips, vision, Path("model/training"), identity="...")
maps.fine[maps.frames[3]]        # (F, 17, 17, 120) int8 of the fourth clip, F up to 6
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.core.captions import CaptionedClip
from vidseek.core.job import Job
from vidseek.encoders.preprocessing import squash
from vidseek.training.networks.stem import (
    FINE_CHANNELS,
    FINE_SIDE,
    PICTURE_SIZE,
    normalise,
)
from vidseek.training.networks.vision import Vision
from vidseek.training.stem_maps import to_steps
from vidseek.training.user.clip_frames import FrameRecipe, collect_frames

FRAMES_PER_CLIP = 6
MAP_SHAPE = (FINE_SIDE, FINE_SIDE, FINE_CHANNELS)
FILES = ("maps.jsonl", "maps.bin")


@dataclass(frozen=True)
class ClipMaps:
    """The maps of all clips that could be read."""

    fine: NDArray[np.int8]
    """(N, 17, 17, 120) int8 steps of 0.25, memory-mapped: all frames, clip after clip."""
    seconds: NDArray[np.float32]
    """(N,) their times."""
    frames: dict[int, slice]
    """The rows of every clip that could be read, by its place."""
    failures: dict[int, str]
    """Why the others could not."""


@dataclass(frozen=True)
class TrainingClips:
    """Clips, the maps of their frames, and the vectors of what is said of them."""

    clips: Sequence[CaptionedClip]
    maps: ClipMaps
    train: list[int]
    """Places of the clips that are trained on."""
    held_out: list[int]
    """Places of those that are measured with; no video is in both."""
    sentences: list[NDArray[np.float32]]
    """A (C, D) float32 array of L2-normalised caption vectors a clip."""


def collect_maps(
    clips: Sequence[CaptionedClip],
    vision: Vision,
    folder: Path,
    *,
    identity: str,
    job: Job,
) -> ClipMaps | None:
    """Decode clips and compute their maps, going on where a stopped call was.

    Args:
        clips: what to read.
        vision: its stem computes, on the device where it is.
        folder: for the files, made if missing.
        identity: changes when clips or stem change; what was kept under another one is dropped.
        job: told of every clip, and asked before every clip whether it is cancelled.

    Returns:
        The maps; None if the job was cancelled.
    """

    def compute(pictures: NDArray[np.uint8]) -> NDArray[np.int8]:
        with torch.inference_mode():
            inputs = normalise(torch.from_numpy(pictures).to(vision.device).permute(0, 3, 1, 2))
            maps = vision.stem.fine_map(inputs).permute(0, 2, 3, 1).float().cpu().numpy()
        return to_steps(maps)

    recipe = FrameRecipe(
        "maps",
        limit=FRAMES_PER_CLIP,
        short_side=PICTURE_SIZE,
        shape=MAP_SHAPE,
        dtype=np.int8,
        prepare=lambda frame: squash(frame[None], PICTURE_SIZE)[0].copy(),
        compute=compute,
    )
    assert recipe.files == FILES
    kept = collect_frames(clips, recipe, folder, identity=identity, job=job)
    if kept is None:
        return None
    return ClipMaps(kept.values, kept.seconds, kept.frames, kept.failures)
