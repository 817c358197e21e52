"""Random numbers that depend on names alone, not on the order of drawing.

random = random_of(seed, "cat.mp4", "crop")
"""

from __future__ import annotations

import numpy as np

from vidseek.training.lab.copies.splits import number_of


def random_of(*parts: object) -> np.random.Generator:
    """A generator of its own for these names."""
    return np.random.default_rng(number_of(*parts))
