"""The frozen stem's maps of a few frames of every captioned clip, stored on disk.

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
    """(N,) times of the frames."""
    frames: dict[int, slice]
    """Rows of every readable clip, by the clip's position."""
    failures: dict[int, str]
    """Reason for every unreadable clip, by the clip's position."""


@dataclass(frozen=True)
class TrainingClips:
    """Clips, the maps of their frames, and the vectors of their captions."""

    clips: Sequence[CaptionedClip]
    maps: ClipMaps
    train: list[int]
    """Positions of the clips to train on."""
    held_out: list[int]
    """Positions of the clips to measure with; no video is in both."""
    sentences: list[NDArray[np.float32]]
    """For each clip, (C, D) float32 L2-normalised vectors of its captions."""


def collect_maps(
    clips: Sequence[CaptionedClip],
    vision: Vision,
    folder: Path,
    *,
    identity: str,
    job: Job,
) -> ClipMaps | None:
    """Decode clips and compute their maps; continues where an earlier call stopped.

    Args:
        clips: the clips to read.
        vision: its stem computes the maps, on the device it is on.
        folder: where the files go; made if missing.
        identity: changes when clips or stem change; files with another identity are discarded.
        job: receives progress after every clip; cancelling takes effect between clips.

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
