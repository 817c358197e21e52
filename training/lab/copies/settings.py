"""Settings of a training run of the copy descriptor, read from a TOML file and validated."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from vidseek.training.lab.settings import BudgetSettings, read_table


@dataclass(frozen=True)
class CopySettings:
    """Settings of a training run of the copy descriptor."""

    budget: BudgetSettings
    seed: int = 0
    """Random seed, also of the splits."""
    batch: int = 96
    """Pictures of a step, each used twice: edited, and as a reference."""
    learning_rate: float = 4e-4
    """Peak rate of the network's last blocks."""
    head_learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warm_up: float = 0.03
    """Share of the budget."""
    average: float = 0.997
    """Decay per step of the exponential moving average of the weights, which is what ships."""
    temperature: float = 0.05
    """Temperature of InfoNCE, as in SSCD."""
    entropy: float = 3.0
    """Weight of the term that pushes each vector away from its nearest neighbour. SSCD's 30 is
    for batches of 4,096."""
    queue: int = 6144
    """Vectors of earlier batches used as further negatives (cross-batch memory, Wang et al.
    2020)."""
    queue_from_step: int = 60
    """Before this the network changes too fast for older vectors to be of use."""
    gradient_norm: float = 1.0
    workers: int = 0
    """Processes that prefetch batches, so that a GPU need not wait; 0 makes each batch when it is
    needed, in this process."""


def read_copy_settings(path: Path) -> CopySettings:
    """Read and check a configuration.

    Raises:
        PathNotFoundError: there is no such file.
        ValueError: the file is not TOML or has an unknown entry.
    """
    table = read_table(path)
    unknown = set(table) - {field.name for field in fields(CopySettings)}
    if unknown:
        raise ValueError(f"{path}: no such entry: {', '.join(sorted(unknown))}")
    return CopySettings(**{**table, "budget": BudgetSettings(**table["budget"])})
