"""The documents of the HTTP API, as requests and answers carry them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from vidseek.core.types import TimeSpan, VideoFilter

MAX_ID = 2**63 - 1
MAX_HITS = 200
MAX_STEPS = 16
MAX_TEXT = 4000
MAX_WILDCARDS = 16
MAX_SECONDS = 1e7
MAX_CURSOR = 8_192
"""Characters. A cursor may hold a path, which may have 4,096 bytes."""

VideoId = Annotated[int, Field(ge=1, le=MAX_ID, examples=[7])]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CURSOR)]
StepText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Threshold = Literal["strict", "normal", "loose"]


class Document(BaseModel):
    """A document that the server writes."""

    model_config = ConfigDict(extra="forbid")


class RequestDocument(BaseModel):
    """A document that a client sends: unknown members are refused, and numbers are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _in_years(moment: datetime | None) -> None:
    # Beyond these years nanoseconds do not fit into 64 bits.
    if moment is not None and not 1970 <= moment.year <= 2200:
        raise ValueError("a date must be from 1970 to 2200")


class Where(RequestDocument):
    """Which videos may answer; a member that is left out does not restrict."""

    path_glob: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="Shell pattern against the path, without regard to case; `*` also matches "
        "`/`. Without a wildcard, a file or a folder with everything below it.",
        examples=["*/2024/*"],
    )
    min_duration_seconds: Seconds | None = None
    max_duration_seconds: Seconds | None = None
    min_height: Annotated[int, Field(ge=0, le=100_000)] | None = None
    after: Annotated[datetime, Field(strict=False)] | None = Field(
        default=None, description="Modified at this time or later."
    )
    before: Annotated[datetime, Field(strict=False)] | None = Field(
        default=None, description="Modified before this time."
    )
    labels: list[LabelName] = Field(
        default_factory=list,
        max_length=16,
        description="Only videos in which a clip has each of these learned labels.",
    )

    @model_validator(mode="after")
    def _check(self) -> Where:
        _in_years(self.after)
        _in_years(self.before)
        if self.path_glob is not None:
            if "\0" in self.path_glob:
                raise ValueError("path_glob has a null character")
            if sum(self.path_glob.count(each) for each in "*?[") > MAX_WILDCARDS:
                raise ValueError(f"path_glob has more than {MAX_WILDCARDS} wildcards")
        return self

    def to_filter(self) -> VideoFilter:
        """The filter of the library."""
        glob = self.path_glob
        if glob is not None and not glob.startswith(("/", "*")):
            glob = f"*/{glob}"
        return VideoFilter(
            path_glob=glob,
            min_duration_seconds=self.min_duration_seconds,
            max_duration_seconds=self.max_duration_seconds,
            min_height=self.min_height,
            after=self.after,
            before=self.before,
            labels=tuple(self.labels),
        )


class _Query(RequestDocument):
    k: Annotated[int, Field(ge=1, le=MAX_HITS)] = Field(default=20, description="Hits per page.")
    per_video: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Hits per video, at most."
    )
    copies: bool = Field(
        default=False,
        description="List every copy of a moment; by default copies are one hit.",
    )
    where: Where = Field(default_factory=Where)
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")


Order = Literal["relevance", "date"]


class PartRequest(RequestDocument):
    """A part of a video, or all of it."""

    start_seconds: Seconds | None = None
    end_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.start_seconds is None) != (self.end_seconds is None):
            raise ValueError("give both start_seconds and end_seconds, or neither")
        if (self.end_seconds or 0.0) < (self.start_seconds or 0.0):
            raise ValueError("end_seconds must not be before start_seconds")
        return self

    @property
    def span(self) -> TimeSpan | None:
        """The part; None for the whole video."""
        if self.start_seconds is None or self.end_seconds is None:
            return None
        return TimeSpan(self.start_seconds, self.end_seconds)


class VideoPart(PartRequest):
    """A video of the library, or a part of it."""

    video_id: VideoId


class SearchRequest(_Query):
    """A query by text."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"text": "a dog catching a frisbee", "not_text": "people", "k": 20}]
        },
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] = Field(
        description="What to look for, in plain words."
    )
    not_text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] | None = Field(
        default=None, description="What the moments should not show."
    )
    not_like: VideoPart | None = Field(
        default=None,
        description="A moment that the moments should not resemble. Hits have no confidence then.",
        examples=[{"video_id": 7, "start_seconds": 12, "end_seconds": 18}],
    )
    order: Order = Field(
        default="relevance",
        description=f"`date` lists the {MAX_HITS} best moments, newest file first, and those under "
        "the minimum confidence after the others.",
    )
    refine_spans: bool = Field(
        default=False, description="Fit the start and end of hits to the scene."
    )
    then: list[StepText] = Field(
        default_factory=list,
        max_length=MAX_STEPS - 1,
        description="What follows later in the same video: the texts of further steps, in order.",
        examples=[["he sits down"]],
    )
    within_seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] | None = (
        Field(
            default=None,
            description="Each step begins at most this long after the step before ends.",
        )
    )


class SimilarRequest(_Query, VideoPart):
    """A query by a video of the library, or a part of it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"video_id": 7, "start_seconds": 12, "end_seconds": 18}]},
    )
    exclude_itself: bool = Field(
        default=False, description="Leave out the moments of that part itself."
    )


class UploadQuery(BaseModel):
    """The fields of a form beside the file."""

    model_config = ConfigDict(extra="forbid")
    k: Annotated[int, Field(ge=1, le=MAX_HITS)] = 20
    per_video: Annotated[int, Field(ge=1, le=10_000)] | None = None
    copies: bool = False
    where: Where = Field(default_factory=Where)


class Copy(Document):
    """Where a copy shows the moment of a hit."""

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float


class Step(Document):
    """Where a step of a sequence is."""

    start_seconds: float
    end_seconds: float


class Hit(Document):
    """A moment that answers a query."""

    video_id: int
    path: str
    start_seconds: float
    end_seconds: float
    score: float
    confidence: float | None = Field(
        description="Probability that the moment matches; null where the model is not calibrated."
    )
    thumbnail_url: str | None
    media_url: str
    preview_url: str
    duration_seconds: float = Field(description="Length of the video.")
    modified: str = Field(description="When the file was modified, ISO 8601.")
    copies: list[Copy] = []
    steps: list[Step] = Field(
        default=[], description="The steps of a sequence, in order; empty for other queries."
    )
    labels: list[str] = Field(default=[], description="Learned labels that its clips have.")


class AnswerWarning(Document):
    """Something that the reader of an answer should know."""

    code: str
    message: str


_HIT_EXAMPLE: JsonDict = {
    "video_id": 7,
    "path": "/media/park/frisbee.mp4",
    "start_seconds": 12.0,
    "end_seconds": 18.4,
    "score": 0.412,
    "confidence": 0.93,
    "thumbnail_url": "/api/v1/thumbnails/7/14200?v=5f0c2a9e",
    "media_url": "/api/v1/media/7",
    "preview_url": "/api/v1/preview/7?start=12&end=18.4",
    "duration_seconds": 64.2,
    "modified": "2026-01-31T10:00:00+00:00",
    "copies": [],
    "steps": [],
    "labels": [],
}


class SearchAnswer(Document):
    """A page of hits, best first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"hits": [_HIT_EXAMPLE], "warnings": [], "next_cursor": None}]
        },
    )
    hits: list[Hit]
    warnings: list[AnswerWarning] = []
    next_cursor: str | None = Field(
        default=None, description="For the next page; null after the last."
    )


class Health(Document):
    """Whether the server answers, and what it holds."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "status": "ok",
                    "version": "0.3.0",
                    "videos": 120,
                    "clips": 10482,
                    "model": "builtin",
                    "read_only": False,
                    "roots": ["/media"],
                    "can_add_uploads": False,
                }
            ]
        },
    )
    status: Literal["ok"] = "ok"
    version: str
    videos: int
    clips: int
    model: str | None
    read_only: bool
    roots: list[str]
    can_add_uploads: bool


class VideoEntry(Document):
    """A video of the library."""

    id: int
    path: str
    title: str
    state: Literal["indexed", "missing", "failed", "skipped"]
    duration_seconds: float
    frame_rate: float
    width: int
    height: int
    codec: str
    size_bytes: int
    modified: str
    damaged: bool
    has_sound: bool | None = Field(
        default=None,
        description="Whether the file has a sound track, silent or not; null if unknown.",
    )
    failure: str | None
    media_url: str
    labels: list[str] = Field(default=[], description="Learned labels that its clips have.")


class VideoPage(Document):
    """A page of videos."""

    videos: list[VideoEntry]
    total: int = Field(description="Videos in all pages.")
    next_cursor: str | None = None


class ClipEntry(Document):
    """A clip: a shot or a part of a shot."""

    id: int
    start_seconds: float
    end_seconds: float
    thumbnail_url: str | None
    preview_url: str


class ClipPage(Document):
    """Clips of a video in order of time."""

    clips: list[ClipEntry]
    next_cursor: str | None = None


class CurvePoint(Document):
    """How much a clip looks like a text."""

    start_seconds: float
    end_seconds: float
    score: float


class SimilarityCurve(Document):
    """The similarity of a video to a text, over its time."""

    video_id: int
    text: str
    points: list[CurvePoint]


class SharedSegment(Document):
    """A stretch that two videos of the library share."""

    video_id: int
    other_id: int
    start_seconds: float
    end_seconds: float
    other_start_seconds: float
    other_end_seconds: float
    speed: float
    mirrored: bool
    score: float


class CopyEntry(Document):
    """Another video that shares segments with a video."""

    video: VideoEntry
    segments: list[SharedSegment]


class CopyList(Document):
    """The videos that share segments with a video."""

    copies: list[CopyEntry]


class GroupMember(Document):
    """A video of a group of duplicates."""

    video: VideoEntry
    keep: bool
    coverage: float = Field(
        description="Share of this video that the video to keep also shows; 1 for that video."
    )


class Group(Document):
    """Videos that are copies of each other."""

    kind: Literal["exact", "duplicate", "contains"]
    why: str = Field(description="Why to keep the first video.", examples=["longest"])
    members: list[GroupMember]
    segments: list[SharedSegment] = Field(description="What the members share, pair by pair.")


class GroupPage(Document):
    """A page of groups of duplicates, largest first."""

    groups: list[Group]
    total: int
    next_cursor: str | None = None


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:vidseek:problem:path_not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "no video has the id 9",
                    "code": "path_not_found",
                    "request_id": "0f3a9c1b2d4e5f60",
                }
            ]
        },
    )
    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable identifier of the kind of error.")
    request_id: str
    hint: str | None = Field(default=None, description="Stable identifier of the next step.")


def iso_time(nanoseconds: int) -> str:
    """A time since the epoch in ISO 8601, UTC."""
    try:
        moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="seconds")


def problem_answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented problems of an endpoint, besides those that every request may meet."""
    always = (400, 401, 403, 408, 413, 421, 422, 503)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": "A problem; see `code`.", "content": content}
        for status in sorted({*always, *statuses})
    }


class CheckMatch(Document):
    """A stretch of the file that shows a stretch of a video in the library."""

    video_id: int
    path: str
    kind: Literal["exact", "duplicate", "contains", "contained", "partial", "new"]
    score: float
    query_start_seconds: float
    query_end_seconds: float
    library_start_seconds: float
    library_end_seconds: float
    speed: float | None = Field(
        description="Library seconds per second of the file, negative if it plays backwards; "
        "null if too little moves to tell."
    )
    mirrored: bool
    media_url: str


class CheckAnswer(Document):
    """The result of a check: what `vidseek check --json` prints, and more."""

    path: str = Field(description="Name of the file; its path in the library if it was added.")
    verdict: Literal["exact", "duplicate", "contains", "contained", "partial", "new"]
    added: bool
    matches: list[CheckMatch]
    query_seconds: float = Field(description="Length of the file.")
    compared_frames: int = Field(
        description="Frames that could be compared; with few, `new` says little."
    )


class IndexRequest(RequestDocument):
    """What to index."""

    paths: Annotated[
        list[Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=1000)
    ] = Field(
        default_factory=list,
        description="Files and folders inside the media roots, absolute or relative to a root; "
        "none for all roots.",
    )
    retry_failed: bool = Field(default=False, description="Read files again that failed before.")


class JobProgress(Document):
    """The progress of a job."""

    stage: str
    done: int
    total: int | None
    unit: str
    failed: int = 0
    current: str | None = None
    video_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    eta_seconds: float | None = None
    realtime_factor: float | None = None


class JobFailure(Document):
    """A file that could not be indexed."""

    path: str
    reason: str


class JobReport(Document):
    """What a job did."""

    indexed: int
    unchanged: int
    moved: int
    missing: int
    failed: list[JobFailure]
    video_seconds: float
    seconds: float


class JobEntry(Document):
    """A long task: an index run, or the writing of captions."""

    id: str
    kind: Literal["index", "captions"]
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    paths: list[str]
    created: str
    progress: JobProgress | None = None
    report: JobReport | None = Field(default=None, description="Of an index run.")
    problem: str | None = Field(default=None, description="Why it failed.")


class JobList(Document):
    """The latest jobs, newest first."""

    jobs: list[JobEntry]


class DismissRequest(RequestDocument):
    """Videos that are not duplicates of each other."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"video_ids": [3, 9]}]}
    )
    video_ids: Annotated[list[VideoId], Field(min_length=2, max_length=200)]
    restore: bool = Field(default=False, description="Forget an earlier dismissal instead.")


class DismissAnswer(Document):
    """What a dismissal changed."""

    changed_pairs: int
