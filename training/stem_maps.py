"""Feature maps of the frozen stem, stored as int8 steps."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STEP = 0.25
"""Size of an int8 step; fewer than 1 in 10,000 stem values are outside +-31.75."""


def to_steps(maps: NDArray[np.float32]) -> NDArray[np.int8]:
    """Round a float32 map to int8 steps."""
    steps: NDArray[np.int8] = np.clip(np.round(maps / STEP), -127, 127).astype(np.int8)
    return steps


def load_maps(fine: NDArray[np.int8]) -> Tensor:
    """(B, H, W, 120) int8 steps to a (B, 120, H, W) float32 map in channels-last order."""
    return (torch.from_numpy(np.ascontiguousarray(fine)).float() * STEP).permute(0, 3, 1, 2)
