"""What a training run of the copy descriptor is told: a TOML file, checked on reading."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from vidseek.training.lab.settings import BudgetSettings


@dataclass(frozen=True)
class CopySettings:
    """Training of the copy descriptor."""

    budget: BudgetSettings
    seed: int = 0
    """Also of the splits."""
    batch: int = 96
    """Pictures, each seen twice: as a library holds it and edited."""
    learning_rate: float = 4e-4
    """Of the network's last blocks."""
    head_learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    warm_up: float = 0.03
    """Share of the budget."""
    average: float = 0.997
    """What ships is an exponential moving average of the weights; this is its decay a step."""
    temperature: float = 0.05
    """Of InfoNCE, as in SSCD."""
    entropy: float = 3.0
    """Weight of the term that pushes each vector away from its nearest neighbour. SSCD's 30 is
    for batches of 4,096."""
    queue: int = 6144
    """Vectors of the last batches that are negatives besides (cross-batch memory, Wang et al.
    2020)."""
    queue_from_step: int = 60
    """Before this the network changes too fast for older vectors to be of use."""
    gradient_norm: float = 1.0
    workers: int = 0
    """Processes that make batches ahead, for a GPU that would wait for them; 0: this one makes each
    when it is needed."""


def read_copy_settings(path: Path) -> CopySettings:
    """Read and check a configuration.

    Raises:
        ValueError: the file is not TOML or has an entry that there is not.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    unknown = set(table) - {field.name for field in fields(CopySettings)}
    if unknown:
        raise ValueError(f"{path}: no such entry: {', '.join(sorted(unknown))}")
    return CopySettings(**{**table, "budget": BudgetSettings(**table["budget"])})
