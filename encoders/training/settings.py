"""What a training run is told: a TOML file, checked on reading.

settings = read_settings(Path("encoders/training/builtin.toml"))
settings.towers.minutes
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

STAGES = ("towers", "temporal", "cross_modal", "confidence")
"""The parts of a run, in order."""


@dataclass(frozen=True)
class BudgetSettings:
    """How long a stage trains. The learning rate follows whichever budget is used up first."""

    minutes: float | None = None
    """Wall clock, interruptions not counted."""
    steps: int | None = None
    """With steps alone a run is reproducible to the bit on one machine."""

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ValueError("a budget needs minutes or steps")

    def used(self, *, minutes: float, steps: int) -> float:
        """Share of the budget that is used up, 0 to 1."""
        shares = [0.0]
        if self.minutes is not None:
            shares.append(minutes / self.minutes)
        if self.steps is not None:
            shares.append(steps / self.steps)
        return min(max(shares), 1.0)


@dataclass(frozen=True)
class TowerSettings:
    """Training of the visual encoder into the frozen space of sentences."""

    budget: BudgetSettings
    flickr8k: int = 120
    """Pictures of flickr8k in a batch."""
    msrvtt: int = 48
    """Videos of msrvtt in a batch, one frame each."""
    classes: int = 24
    """Pictures with a class name for caption, no class twice."""
    stem_learning_rate: float = 2e-4
    learning_rate: float = 1e-3
    stem_weight_decay: float = 0.02
    weight_decay: float = 0.05
    warm_up: float = 0.05
    """Share of the budget."""
    gradient_norm: float = 1.0
    smallest_crop: int = 11
    largest_crop: int = 15
    """Sides of the random crops of the map, of 17 cells."""
    token_loss: float = 0.3
    """Weight of the loss that makes the learned tokens say something."""
    class_loss: float = 0.2
    """Weight of staying near the untouched stem's ImageNet classes."""
    class_temperature: float = 2.0
    checkpoint_minutes: float = 3.0
    evaluation_minutes: float = 8.0
    bfloat16: bool = True


@dataclass(frozen=True)
class HeadSettings:
    """Training of temporal attention or of the cross-modal head on frozen towers."""

    budget: BudgetSettings
    batch: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    warm_up: float = 0.05
    negatives: int = 7
    """Hard negatives a sentence (cross-modal head only)."""
    noise: float = 0.0
    """Length of the noise added to unit frame vectors (cross-modal head only): the towers know
    their training pictures better than any other; the head must not learn to rely on that."""


@dataclass(frozen=True)
class Settings:
    """A whole run."""

    towers: TowerSettings
    temporal: HeadSettings
    cross_modal: HeadSettings
    seed: int = 1
    threads: int = 2
    vocabulary: int = 9000
    """Word pieces that are shipped."""
    head_pictures: int | None = None
    """Pictures of each set that the stages above the towers train on; all if None."""
    sets: tuple[str, ...] = field(
        default=("flickr8k", "msrvtt", "sports100", "caltech101"), kw_only=True
    )


def read_settings(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        ValueError: an unknown or missing setting; the message names it and the file.
    """
    table = tomllib.loads(path.read_text())
    try:
        return Settings(
            towers=_stage(TowerSettings, table.pop("towers")),
            temporal=_stage(HeadSettings, table.pop("temporal")),
            cross_modal=_stage(HeadSettings, table.pop("cross_modal")),
            **_known(Settings, table),
        )
    except KeyError as error:
        raise ValueError(f"{path}: the section {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _stage(kind: Any, table: dict[str, Any]) -> Any:
    budget = BudgetSettings(**_known(BudgetSettings, table.pop("budget")))
    return kind(budget=budget, **_known(kind, table))


def _known(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    unknown = set(table) - {entry.name for entry in fields(kind)}
    if unknown:
        raise ValueError(f"unknown settings {sorted(unknown)}")
    return table
