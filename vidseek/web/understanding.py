"""The documents of labels, summaries, unusual moments and recommendations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from vidseek.web.schemas import (
    MAX_HITS,
    MAX_TEXT,
    AnswerWarning,
    Document,
    PartRequest,
    RequestDocument,
    VideoPart,
    Where,
)

MAX_LABELS = 1_000
MAX_EXAMPLES = 200
MAX_ASKED_FRAMES = 64
LabelText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=MAX_HITS)]


class ClassifyRequest(RequestDocument):
    """Which labels to look for, and where; without labels, those that the library learned."""

    videos: list[VideoPart] = Field(
        default_factory=list, max_length=MAX_HITS, description="None for all videos."
    )
    labels: list[LabelText] = Field(
        default_factory=list, max_length=MAX_LABELS, examples=[["a beach", "a city street"]]
    )
    label_set: Literal["everyday", "actions", "places"] | None = Field(
        default=None, description="Labels that come with vidseek."
    )
    k: Count = Field(default=5, description="Labels of a moment at most.")
    min_confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.1
    by_clip: bool = Field(default=False, description="Label every clip, not the whole video.")
    where: Where = Field(default_factory=Where)


class MomentLabel(Document):
    """A label and how sure it is."""

    label: str
    confidence: float


class LabelledEntry(Document):
    """A video or a part of it with its labels, most confident first."""

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float
    labels: list[MomentLabel]


class ClassifyAnswer(Document):
    """Labelled moments, most confident first."""

    moments: list[LabelledEntry]
    warnings: list[AnswerWarning] = Field(default_factory=list)


class LabelEntry(Document):
    """A label of the library."""

    name: str
    positives: int = Field(description="Examples that show it.")
    negatives: int = Field(description="Examples that do not.")
    is_trained: bool
    accuracy: float | None = Field(
        description="Cross-validated; null if it was not trained, or on one video only."
    )
    clips: int = Field(description="Clips that have it.")


class LabelList(Document):
    """The labels of the library, by name."""

    labels: list[LabelEntry]


class ExamplesRequest(RequestDocument):
    """Examples of a label, or of moments that do not show it."""

    name: LabelText
    examples: Annotated[list[VideoPart], Field(min_length=1, max_length=MAX_EXAMPLES)]
    shown: bool = Field(default=True, description="False for moments that do not show it.")


class LabelClipsRequest(RequestDocument):
    """Which clips with a label to list."""

    name: LabelText
    where: Where = Field(default_factory=Where)
    k: Count = 50


class TrainRequest(RequestDocument):
    """Which label to learn."""

    name: LabelText | None = Field(default=None, description="Null for all with an example.")


class KeyFrameEntry(Document):
    """A frame of a summary, and the clip that it stands for."""

    seconds: float
    start_seconds: float
    end_seconds: float
    thumbnail_url: str | None = Field(description="A picture of that clip.")


class Summary(Document):
    """Key frames of a video, in order of time."""

    video_id: int
    frames: list[KeyFrameEntry]


class OutliersRequest(RequestDocument):
    """Where to look for unusual moments, and which footage is normal."""

    where: Where = Field(default_factory=Where)
    normal: Where | None = Field(
        default=None, description="Videos of normal footage; null for the examined ones."
    )
    k: Count = 10


class NearestClip(Document):
    """The normal clip that an unusual moment is nearest to."""

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float


class OutlierEntry(Document):
    """A moment and how unusual it is."""

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float
    score: float = Field(description="3 or more is unusual.")
    thumbnail_url: str | None = Field(description="A picture of its middle.")
    nearest: NearestClip | None = Field(description="Null if the client may not see its video.")


class OutlierList(Document):
    """Unusual moments, most unusual first."""

    outliers: list[OutlierEntry]


class RelatedRequest(RequestDocument):
    """What somebody liked and disliked."""

    liked: Annotated[list[VideoPart], Field(min_length=1, max_length=50)]
    disliked: list[VideoPart] = Field(default_factory=list, max_length=50)
    k: Count = 10
    diversity: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.3
    where: Where = Field(default_factory=Where)


class Because(Document):
    """The liked part that a recommendation is nearest to."""

    video_id: int
    start_seconds: float
    end_seconds: float


class RelatedEntry(Document):
    """A recommended video, and its part that is nearest to a liked one."""

    video_id: int
    path: str
    title: str
    score: float
    start_seconds: float
    end_seconds: float
    because: Because


class RelatedList(Document):
    """Recommended videos, best first."""

    videos: list[RelatedEntry]


class ExplainedClip(Document):
    """The clip around an explained frame."""

    start_seconds: float
    end_seconds: float
    score: float = Field(description="Cosine of the text and the clip.")
    rest: float = Field(description="The score less what the frames add.")


class WordMapEntry(Document):
    """Where in the frame a word looks."""

    word: str
    score: float = Field(description="Cosine of the word and the frame.")
    peak: tuple[float, float] = Field(
        description="Where the map is highest, as shares of the frame's width and height."
    )
    cells: list[list[float]] = Field(description="Cosines, by rows.")


class FrameWeightEntry(Document):
    """What a frame of the clip weighs."""

    seconds: float
    score: float
    additive: float
    dot_product: float
    heads: list[float] = Field(description="Attention over time, of each head.")


class CurvePoint(Document):
    """A clip of the video and its score."""

    start_seconds: float
    end_seconds: float
    score: float


class ExplainAnswer(Document):
    """Why a frame, and the clip around it, match a text."""

    video_id: int
    path: str
    text: str
    seconds: float
    score: float = Field(description="Cosine of the text and the frame.")
    clip: ExplainedClip
    area: tuple[float, float, float, float] = Field(
        description="The part that the cells cover: left, top, right, bottom as shares."
    )
    maps: list[WordMapEntry] = Field(
        description="The whole text first, then its words; empty for a model without cells."
    )
    frames: list[FrameWeightEntry]
    curve: list[CurvePoint]
    warnings: list[AnswerWarning] = Field(default_factory=list)


class CaptionerEntry(Document):
    """The model that the server was started with for captions and questions."""

    model: str | None = Field(description="Null for none.")
    writes_captions: bool
    answers_questions: bool


class CaptionsRequest(PartRequest):
    """How many captions to write."""

    captions: Annotated[int, Field(ge=1, le=MAX_HITS)] = Field(
        default=12, description="Captions at most, of evenly spaced clips."
    )


class AskRequest(PartRequest):
    """A question about a video."""

    question: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] = Field(
        examples=["how many people are there?"]
    )
    frames: Annotated[int, Field(ge=1, le=MAX_ASKED_FRAMES)] = Field(
        default=8, description="Frames to look at, at most."
    )


class AskedFrame(Document):
    """A frame that an answer rests on."""

    seconds: float
    score: float = Field(description="Cosine of the question and the frame.")


class AskAnswer(Document):
    """An answer, and the frames that it rests on."""

    video_id: int
    path: str
    question: str
    answer: str
    votes: float = Field(description="Share of the frames looked at that gave this answer.")
    model: str
    frames: list[AskedFrame]


class CaptionSearchRequest(RequestDocument):
    """Words of captions."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
    k: Count = 10
    where: Where = Field(default_factory=Where)


class CaptionEntry(Document):
    """What a caption says about a part of a video."""

    start_seconds: float
    end_seconds: float
    text: str


class DescribeAnswer(Document):
    """What a video, or a part of it, shows in words."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "video_id": 7,
                    "path": "/media/park/frisbee.mp4",
                    "start_seconds": 0.0,
                    "end_seconds": 64.2,
                    "labels": [{"label": "a dog", "confidence": 0.81}],
                    "captions": [
                        {"start_seconds": 12.0, "end_seconds": 18.4, "text": "a dog jumps"}
                    ],
                    "warnings": [],
                }
            ]
        },
    )
    video_id: int
    path: str
    start_seconds: float
    end_seconds: float
    labels: list[MomentLabel] = Field(description="Of the bundled sets, most confident first.")
    captions: list[CaptionEntry] = Field(
        description="Those that `vidseek describe` stored, in order of time."
    )
    warnings: list[AnswerWarning] = Field(default_factory=list)
