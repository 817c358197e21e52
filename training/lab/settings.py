"""Settings of a training run, read from a TOML file and validated.

settings = read_settings(Path("training/lab/builtin.toml"))
settings.towers.minutes
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vidseek.core.errors import PathNotFoundError

STAGES = ("towers", "temporal", "hubness", "rerank", "confidence")
"""The stages of a run, in order."""


@dataclass(frozen=True)
class BudgetSettings:
    """How long a stage trains. The learning rate follows the budget that is used up first."""

    minutes: float | None = None
    """Wall-clock time, without interruptions."""
    steps: int | None = None
    """With a budget of steps alone a run is reproducible bit for bit on one machine."""

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise ValueError("a budget needs minutes or steps")

    def used(self, *, minutes: float, steps: int) -> float:
        """Share of the budget used up, 0 to 1."""
        shares = [0.0]
        if self.minutes is not None:
            shares.append(minutes / self.minutes)
        if self.steps is not None:
            shares.append(steps / self.steps)
        return min(max(shares), 1.0)


@dataclass(frozen=True)
class TowerSettings:
    """Training of the towers and of the cross-modal head."""

    budget: BudgetSettings
    flickr8k: int = 120
    """Pictures of flickr8k in a batch."""
    msrvtt: int = 48
    """Videos of msrvtt in a batch, one frame each."""
    sports100: int = 16
    """Pictures of sports100 in a batch, with the class name as caption, each class at most once."""
    caltech101: int = 8
    """Pictures of caltech101 in a batch, likewise."""
    misc: int = 0
    """Pictures of misc in a batch, likewise."""
    paraphrase_share: float = 0.0
    """Share of captions with ``Paraphrases`` that are replaced by a paraphrase."""
    stem_learning_rate: float = 2e-4
    learning_rate: float = 1e-3
    text_learning_rate: float = 6e-5
    text_from: float = 0.45
    """Share of the budget after which the text encoder is trained too."""
    stem_weight_decay: float = 0.02
    weight_decay: float = 0.05
    warm_up: float = 0.05
    """Share of the budget."""
    gradient_norm: float = 1.0
    average: float = 0.995
    """Decay per step of the exponential moving average of the weights, which is what ships."""
    smallest_crop: int = 11
    largest_crop: int = 15
    """Sides of the random crops of the map, in cells of 17."""
    whole_from: float = 0.88
    """Share of the budget after which crops are near whole maps, as pictures are seen in use."""
    keep_cells: float = 0.7
    """Share of a map's cells that the Transformer sees until then (FLIP, Li et al. 2023)."""
    said_loss: float = 0.4
    """Weight of the loss towards the mean of all of a picture's captions, by original MiniLM."""
    token_loss: float = 0.4
    """Weight of the loss that aligns words and frame tokens."""
    head_loss: float = 0.3
    negatives: int = 3
    """Hard negatives per sentence, and per picture, in the head's training."""
    masked_share: float = 0.15
    """Share of words masked in every other sentence while the text encoder is trained."""
    masked_loss: float = 0.1
    """Weight of the loss for predicting them from sentence and picture (as in VideoBERT)."""
    class_loss: float = 0.2
    """Weight of the loss that keeps the original stem's ImageNet classes."""
    class_temperature: float = 2.0
    views: dict[str, int] = field(default_factory=dict)
    """Augmented views cached of each set's training pictures."""
    start_share: float = 0.0
    """In a run that starts from shipped weights: their share in the mean that ships (WiSE-FT,
    Wortsman et al. 2022)."""
    checkpoint_minutes: float = 3.0
    evaluation_minutes: float = 8.0
    bfloat16: bool = True


@dataclass(frozen=True)
class TemporalSettings:
    """Training of temporal attention on frozen towers."""

    budget: BudgetSettings
    batch: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    warm_up: float = 0.05
    pan_pictures: int = 800
    """Training pictures from which clips of a moving camera are made."""
    side_loss: float = 0.3
    """Weight of the side tasks: the order of frames, and the movement of the camera."""


@dataclass(frozen=True)
class Settings:
    """Settings of a whole run."""

    towers: TowerSettings
    temporal: TemporalSettings
    seed: int = 1
    threads: int = 2
    vocabulary: int = 9000
    """Word pieces of the shipped text encoder."""
    head_pictures: int | None = None
    """Most frames to train the stages above the towers on; None for all."""
    sets: tuple[str, ...] = field(
        default=("flickr8k", "msrvtt", "sports100", "caltech101", "misc"), kw_only=True
    )


def read_settings(path: Path) -> Settings:
    """Read a configuration file.

    Raises:
        PathNotFoundError: there is no such file.
        ValueError: a setting is unknown or missing; the message names it and the file.
    """
    table = read_table(path)
    try:
        return Settings(
            towers=_stage(TowerSettings, table.pop("towers")),
            temporal=_stage(TemporalSettings, table.pop("temporal")),
            **_known(Settings, table),
        )
    except KeyError as error:
        raise ValueError(f"{path}: the section {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        PathNotFoundError: there is no such file.
        ValueError: it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PathNotFoundError(
            f"{path} does not exist: name a configuration with --config; if it is the one that "
            "vidseek ships, the installation is incomplete: reinstall vidseek"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error


def _stage(kind: Any, table: dict[str, Any]) -> Any:
    budget = BudgetSettings(**_known(BudgetSettings, table.pop("budget")))
    return kind(budget=budget, **_known(kind, table))


def _known(kind: Any, table: dict[str, Any]) -> dict[str, Any]:
    unknown = set(table) - {entry.name for entry in fields(kind)}
    if unknown:
        raise ValueError(f"unknown settings {sorted(unknown)}")
    return table
