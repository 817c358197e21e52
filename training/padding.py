"""Pad arrays of unequal length into one tensor with a mask."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def pad_items(arrays: list[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack K arrays of unequal length into (K, longest, ...) float32 and a (K, longest) mask."""
    longest = max(len(array) for array in arrays)
    padded = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), np.float32)
    mask = np.zeros((len(arrays), longest), np.float32)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
        mask[row, : len(array)] = 1.0
    return torch.from_numpy(padded), torch.from_numpy(mask)
