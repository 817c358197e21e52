"""vidseek: find moments in videos by text, picture or example video, and detect copies.

import vidseek

with vidseek.open("~/footage-library") as library:
    library.index(["~/Movies"])
    for hit in library.search("a dog catching a frisbee", k=5):
        print(hit.video.path, hit.span.start_seconds, hit.confidence)

Importing the package is fast: a name's module is loaded when the name is first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidseek.catalog import VideoDetails as VideoDetails
    from vidseek.core.errors import CalibrationError as CalibrationError
    from vidseek.core.errors import DecodeLimitError as DecodeLimitError
    from vidseek.core.errors import DownloadRefusedError as DownloadRefusedError
    from vidseek.core.errors import EncoderError as EncoderError
    from vidseek.core.errors import EvaluationError as EvaluationError
    from vidseek.core.errors import ExportError as ExportError
    from vidseek.core.errors import FileAccessError as FileAccessError
    from vidseek.core.errors import GatedModelError as GatedModelError
    from vidseek.core.errors import Hint as Hint
    from vidseek.core.errors import InternalVideoError as InternalVideoError
    from vidseek.core.errors import JobCancelledError as JobCancelledError
    from vidseek.core.errors import LibraryClosedError as LibraryClosedError
    from vidseek.core.errors import LibraryDamagedError as LibraryDamagedError
    from vidseek.core.errors import LibraryDiskError as LibraryDiskError
    from vidseek.core.errors import LibraryError as LibraryError
    from vidseek.core.errors import LibraryFullError as LibraryFullError
    from vidseek.core.errors import LibraryLockedError as LibraryLockedError
    from vidseek.core.errors import LibraryReadOnlyError as LibraryReadOnlyError
    from vidseek.core.errors import LibraryTooNewError as LibraryTooNewError
    from vidseek.core.errors import MissingExtraError as MissingExtraError
    from vidseek.core.errors import ModelDownloadError as ModelDownloadError
    from vidseek.core.errors import ModelNotFoundError as ModelNotFoundError
    from vidseek.core.errors import NotALibraryError as NotALibraryError
    from vidseek.core.errors import NotAVideoError as NotAVideoError
    from vidseek.core.errors import PathNotFoundError as PathNotFoundError
    from vidseek.core.errors import QueryError as QueryError
    from vidseek.core.errors import ServerError as ServerError
    from vidseek.core.errors import SoundOnlyError as SoundOnlyError
    from vidseek.core.errors import TrainingError as TrainingError
    from vidseek.core.errors import UnknownEncoderError as UnknownEncoderError
    from vidseek.core.errors import UnreadableVideoError as UnreadableVideoError
    from vidseek.core.errors import UnsupportedModelError as UnsupportedModelError
    from vidseek.core.errors import VideoError as VideoError
    from vidseek.core.errors import VidseekError as VidseekError
    from vidseek.core.errors import WeightsError as WeightsError
    from vidseek.core.job import Job as Job
    from vidseek.core.job import Progress as Progress
    from vidseek.core.types import AnswerFrame as AnswerFrame
    from vidseek.core.types import Calibration as Calibration
    from vidseek.core.types import Caption as Caption
    from vidseek.core.types import CellFeatures as CellFeatures
    from vidseek.core.types import Classification as Classification
    from vidseek.core.types import Clip as Clip
    from vidseek.core.types import CopyMatch as CopyMatch
    from vidseek.core.types import CopyVerdict as CopyVerdict
    from vidseek.core.types import Description as Description
    from vidseek.core.types import DuplicateGroup as DuplicateGroup
    from vidseek.core.types import DuplicateMember as DuplicateMember
    from vidseek.core.types import EncoderSpec as EncoderSpec
    from vidseek.core.types import Explanation as Explanation
    from vidseek.core.types import FrameFeatures as FrameFeatures
    from vidseek.core.types import FrameMatch as FrameMatch
    from vidseek.core.types import FrameWeight as FrameWeight
    from vidseek.core.types import LabelledMoment as LabelledMoment
    from vidseek.core.types import LabelScore as LabelScore
    from vidseek.core.types import LibraryModel as LibraryModel
    from vidseek.core.types import LibraryStatistics as LibraryStatistics
    from vidseek.core.types import Match as Match
    from vidseek.core.types import MomentCopy as MomentCopy
    from vidseek.core.types import SearchHit as SearchHit
    from vidseek.core.types import SearchResult as SearchResult
    from vidseek.core.types import SearchWarning as SearchWarning
    from vidseek.core.types import TimeAttention as TimeAttention
    from vidseek.core.types import TimeSpan as TimeSpan
    from vidseek.core.types import TrainedLabel as TrainedLabel
    from vidseek.core.types import VectorBatch as VectorBatch
    from vidseek.core.types import Video as Video
    from vidseek.core.types import VideoAnswer as VideoAnswer
    from vidseek.core.types import VideoFilter as VideoFilter
    from vidseek.core.types import VideoState as VideoState
    from vidseek.core.types import WordMap as WordMap
    from vidseek.doctor import DoctorReport as DoctorReport
    from vidseek.encoders.base import Captioner as Captioner
    from vidseek.encoders.base import CellEncoder as CellEncoder
    from vidseek.encoders.base import Encoder as Encoder
    from vidseek.encoders.base import MonolingualEncoder as MonolingualEncoder
    from vidseek.encoders.base import TimeAttentionEncoder as TimeAttentionEncoder
    from vidseek.encoders.base import VideoEncoder as VideoEncoder
    from vidseek.encoders.registry import create_encoder as create_encoder
    from vidseek.indexer import FailedFile as FailedFile
    from vidseek.indexer import FileNote as FileNote
    from vidseek.indexer import IndexProgress as IndexProgress
    from vidseek.indexer import IndexReport as IndexReport
    from vidseek.indexer import ModelReport as ModelReport
    from vidseek.labels import LibraryLabels as LibraryLabels
    from vidseek.library import Library as Library
    from vidseek.library import open as open
    from vidseek.models import LibraryModels as LibraryModels
    from vidseek.search import filter_confident as filter_confident
    from vidseek.search.evaluation.report import Estimate as Estimate
    from vidseek.search.evaluation.report import EvaluationReport as EvaluationReport
    from vidseek.search.evaluation.report import RetrievalQuality as RetrievalQuality
    from vidseek.search.moments.calibration.report import CalibrationReport as CalibrationReport
    from vidseek.search.moments.calibration.report import ConfidenceQuality as ConfidenceQuality
    from vidseek.search.understanding.outliers import NearestNormal as NearestNormal
    from vidseek.search.understanding.outliers import Outlier as Outlier
    from vidseek.search.understanding.related import Reason as Reason
    from vidseek.search.understanding.related import RelatedVideo as RelatedVideo
    from vidseek.search.understanding.stream import StreamEvent as StreamEvent
    from vidseek.search.understanding.summary import KeyFrame as KeyFrame
    from vidseek.training.user.train import CaptionProblem as CaptionProblem
    from vidseek.training.user.train import TrainingProgress as TrainingProgress
    from vidseek.training.user.train import TrainingReport as TrainingReport
    from vidseek.training.user.train import train_on_captions as train_on_captions
    from vidseek.vectors import LibraryVectors as LibraryVectors
    from vidseek.video import SamplingPlan as SamplingPlan
    from vidseek.video.limits import DecodeLimits as DecodeLimits

__version__ = "0.3.0"

# A checkout without symbolic links has text files in their place (git on Windows, some archives).
_ROOM = os.path.join(os.path.dirname(__file__), "core")  # noqa: PTH118, PTH120 - pathlib is slow
if os.path.isfile(_ROOM) and find_spec("vidseek.core") is None:  # noqa: PTH113
    raise ImportError(
        f"{_ROOM} is a text file instead of a link to the folder of that name: install the "
        "checkout (`pip install .`) instead of running it in place, or check it out with "
        "`git config core.symlinks true`"
    )

from vidseek.core.telemetry import switch_off_telemetry  # noqa: E402 - needs the folder checked

switch_off_telemetry()

_HOMES = {
    "vidseek.doctor": ("DoctorReport",),
    "vidseek.encoders.base": (
        "Captioner",
        "CellEncoder",
        "Encoder",
        "MonolingualEncoder",
        "TimeAttentionEncoder",
        "VideoEncoder",
    ),
    "vidseek.encoders.registry": ("create_encoder",),
    "vidseek.video": ("SamplingPlan",),
    "vidseek.video.limits": ("DecodeLimits",),
    "vidseek.indexer": ("FailedFile", "FileNote", "IndexProgress", "IndexReport", "ModelReport"),
    "vidseek.catalog": ("VideoDetails",),
    "vidseek.labels": ("LibraryLabels",),
    "vidseek.library": ("Library", "open"),
    "vidseek.models": ("LibraryModels",),
    "vidseek.vectors": ("LibraryVectors",),
    "vidseek.search": ("filter_confident",),
    "vidseek.search.evaluation.report": ("Estimate", "EvaluationReport", "RetrievalQuality"),
    "vidseek.search.moments.calibration.report": ("CalibrationReport", "ConfidenceQuality"),
    "vidseek.search.understanding.outliers": ("NearestNormal", "Outlier"),
    "vidseek.search.understanding.stream": ("StreamEvent",),
    "vidseek.search.understanding.related": ("Reason", "RelatedVideo"),
    "vidseek.search.understanding.summary": ("KeyFrame",),
    "vidseek.core.job": ("Job", "Progress"),
    "vidseek.core.errors": (
        "CalibrationError",
        "DecodeLimitError",
        "DownloadRefusedError",
        "EncoderError",
        "EvaluationError",
        "ExportError",
        "FileAccessError",
        "GatedModelError",
        "Hint",
        "InternalVideoError",
        "JobCancelledError",
        "LibraryClosedError",
        "LibraryDamagedError",
        "LibraryDiskError",
        "LibraryError",
        "LibraryFullError",
        "LibraryLockedError",
        "LibraryReadOnlyError",
        "LibraryTooNewError",
        "MissingExtraError",
        "ModelDownloadError",
        "ModelNotFoundError",
        "NotALibraryError",
        "NotAVideoError",
        "SoundOnlyError",
        "PathNotFoundError",
        "QueryError",
        "ServerError",
        "TrainingError",
        "UnknownEncoderError",
        "UnreadableVideoError",
        "UnsupportedModelError",
        "VideoError",
        "VidseekError",
        "WeightsError",
    ),
    "vidseek.core.types": (
        "Calibration",
        "Caption",
        "AnswerFrame",
        "CellFeatures",
        "Classification",
        "Clip",
        "CopyMatch",
        "CopyVerdict",
        "Description",
        "DuplicateGroup",
        "DuplicateMember",
        "EncoderSpec",
        "Explanation",
        "FrameFeatures",
        "FrameMatch",
        "FrameWeight",
        "LabelScore",
        "LabelledMoment",
        "LibraryModel",
        "LibraryStatistics",
        "Match",
        "MomentCopy",
        "SearchHit",
        "SearchResult",
        "SearchWarning",
        "TimeAttention",
        "TimeSpan",
        "TrainedLabel",
        "VectorBatch",
        "Video",
        "VideoFilter",
        "VideoState",
        "VideoAnswer",
        "WordMap",
    ),
    "vidseek.training.user.train": (
        "CaptionProblem",
        "TrainingProgress",
        "TrainingReport",
        "train_on_captions",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

# Linters cannot see that the names exist, since they come from __getattr__; a test checks them.
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'vidseek' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
