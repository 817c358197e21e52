"""What videos show, in words: captions, and answers to questions."""

from __future__ import annotations

from dataclasses import dataclass

from vidseek.core.types.labels import LabelScore
from vidseek.core.types.search import SearchWarning
from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video


@dataclass(frozen=True)
class Caption:
    """A sentence about a moment of a video, by a model."""

    video_id: int
    span: TimeSpan
    text: str
    source: str
    """Name and commit of the model."""


@dataclass(frozen=True)
class Description:
    """What a video, or a part of it, shows."""

    video: Video
    span: TimeSpan
    labels: tuple[LabelScore, ...]
    """Most confident first."""
    captions: tuple[Caption, ...]
    """In order of time."""
    warnings: tuple[SearchWarning, ...] = ()


@dataclass(frozen=True)
class AnswerFrame:
    """A frame that an answer rests on."""

    seconds: float
    score: float
    """Cosine of the question and the frame."""


@dataclass(frozen=True)
class VideoAnswer:
    """The answer to a question about a video."""

    video: Video
    question: str
    text: str
    frames: tuple[AnswerFrame, ...]
    """In order of time."""
    votes: float
    """Share of the frames that were looked at with this answer; 1 if they were seen together."""
    source: str
    """Name and commit of the model."""
