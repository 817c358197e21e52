"""Random numbers that depend on names alone: the same in whatever order they are drawn.

random = random_of(seed, "cat.mp4", "crop")
"""

from __future__ import annotations

import hashlib

import numpy as np


def number_of(*parts: object) -> int:
    """64 bits made of the parts' names, the same on every machine and in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def share_of(*parts: object) -> float:
    """A number from 0 to 1 (not reached) made of the parts' names, evenly spread."""
    return number_of(*parts) / 2**64


def random_of(*parts: object) -> np.random.Generator:
    """A generator of its own for these names."""
    return np.random.default_rng(number_of(*parts))
