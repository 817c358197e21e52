"""Value types shared by all packages: frozen, validated on construction, without heavy imports."""

from vidseek.core.types.copies import (
    CopyBlock as CopyBlock,
)
from vidseek.core.types.copies import (
    CopyFrames as CopyFrames,
)
from vidseek.core.types.copies import (
    CopyMatch as CopyMatch,
)
from vidseek.core.types.copies import (
    CopyVerdict as CopyVerdict,
)
from vidseek.core.types.copies import (
    DuplicateGroup as DuplicateGroup,
)
from vidseek.core.types.copies import (
    DuplicateMember as DuplicateMember,
)
from vidseek.core.types.copies import (
    Match as Match,
)
from vidseek.core.types.copies import (
    MatchKind as MatchKind,
)
from vidseek.core.types.description import (
    AnswerFrame as AnswerFrame,
)
from vidseek.core.types.description import (
    Caption as Caption,
)
from vidseek.core.types.description import (
    Description as Description,
)
from vidseek.core.types.description import (
    VideoAnswer as VideoAnswer,
)
from vidseek.core.types.encoder import (
    Calibration as Calibration,
)
from vidseek.core.types.encoder import (
    CalibrationMethod as CalibrationMethod,
)
from vidseek.core.types.encoder import (
    EncodedClip as EncodedClip,
)
from vidseek.core.types.encoder import (
    EncoderSpec as EncoderSpec,
)
from vidseek.core.types.encoder import (
    FrameFeatures as FrameFeatures,
)
from vidseek.core.types.explanation import (
    Area as Area,
)
from vidseek.core.types.explanation import (
    CellFeatures as CellFeatures,
)
from vidseek.core.types.explanation import (
    Explanation as Explanation,
)
from vidseek.core.types.explanation import (
    FrameWeight as FrameWeight,
)
from vidseek.core.types.explanation import (
    TimeAttention as TimeAttention,
)
from vidseek.core.types.explanation import (
    WordMap as WordMap,
)
from vidseek.core.types.labels import (
    Classification as Classification,
)
from vidseek.core.types.labels import (
    LabelExample as LabelExample,
)
from vidseek.core.types.labels import (
    LabelledMoment as LabelledMoment,
)
from vidseek.core.types.labels import (
    LabelScore as LabelScore,
)
from vidseek.core.types.labels import (
    TrainedLabel as TrainedLabel,
)
from vidseek.core.types.library import (
    FileStamp as FileStamp,
)
from vidseek.core.types.library import (
    LibraryModel as LibraryModel,
)
from vidseek.core.types.library import (
    LibraryStatistics as LibraryStatistics,
)
from vidseek.core.types.search import (
    FrameMatch as FrameMatch,
)
from vidseek.core.types.search import (
    MomentCopy as MomentCopy,
)
from vidseek.core.types.search import (
    QueryTerms as QueryTerms,
)
from vidseek.core.types.search import (
    SearchHit as SearchHit,
)
from vidseek.core.types.search import (
    SearchOptions as SearchOptions,
)
from vidseek.core.types.search import (
    SearchResult as SearchResult,
)
from vidseek.core.types.search import (
    SearchWarning as SearchWarning,
)
from vidseek.core.types.search import (
    VideoFilter as VideoFilter,
)
from vidseek.core.types.time import (
    TimeSpan as TimeSpan,
)
from vidseek.core.types.vectors import (
    VectorBatch as VectorBatch,
)
from vidseek.core.types.vectors import (
    VectorLevel as VectorLevel,
)
from vidseek.core.types.video import (
    Clip as Clip,
)
from vidseek.core.types.video import (
    FrameBatch as FrameBatch,
)
from vidseek.core.types.video import (
    Video as Video,
)
from vidseek.core.types.video import (
    VideoState as VideoState,
)
