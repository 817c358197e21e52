"""Labels of videos and of parts of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from vidseek.core.types.search import SearchWarning
from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video

NONE_OF_THESE = "none of these"
"""The label of a moment that shows none of the labels asked for."""


@dataclass(frozen=True)
class LabelScore:
    """A label and how sure it is."""

    label: str
    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class LabelledMoment:
    """A video, or a part of it, with its labels."""

    video: Video
    span: TimeSpan
    labels: tuple[LabelScore, ...]
    """Most confident first; ``NONE_OF_THESE`` alone if no label is confident enough."""


@dataclass(frozen=True)
class Classification(Sequence[LabelledMoment]):
    """Labelled moments, most confident first. Iterating and indexing go to the moments."""

    moments: tuple[LabelledMoment, ...]
    warnings: tuple[SearchWarning, ...] = ()

    @overload
    def __getitem__(self, index: int) -> LabelledMoment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LabelledMoment, ...]: ...
    def __getitem__(self, index: int | slice) -> LabelledMoment | tuple[LabelledMoment, ...]:
        return self.moments[index]

    def __len__(self) -> int:
        return len(self.moments)


@dataclass(frozen=True)
class LabelExample:
    """A part of a video that somebody labelled."""

    label: str
    video_id: int
    span: TimeSpan
    is_positive: bool = True
    """False for a part that does not show the label."""


@dataclass(frozen=True)
class TrainedLabel:
    """A label of a library: its examples, and the classifier that was trained on them."""

    name: str
    positives: int
    """Examples that show the label."""
    negatives: int
    """Examples that do not."""
    fingerprint: str | None = None
    """Of the encoder whose vectors the classifier reads; None if it was never trained."""
    trained_positives: int = 0
    """Clips of the examples that the classifier learned from."""
    accuracy: float | None = None
    """Cross-validated balanced accuracy, 0.5 for chance; None with examples from one video only."""
    clips: int = 0
    """Clips that have the label."""
