"""The tables of a library, as typed SQLAlchemy models. Rows are not used outside storage.

Vectors are float16, little-endian, without a header; their lengths follow from the encoder's
``EncoderSpec``. Clip vectors and frame features are in separate tables, so that scanning clip
vectors (0.8 KB a clip) does not read frame features (tens of KB a clip).
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    sql,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

HEAD_REVISION = "0011"
"""Newest revision in migrations/versions. Revisions count up: a newer one is recognised."""

# Ids are 64 bits wide everywhere; for SQLite's row id the type must be called INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")


class PathText(TypeDecorator[str]):
    """A path as text, even if it is not valid UTF-8.

    Python keeps an undecodable byte as a lone surrogate (PEP 383), which no database stores as
    text. Such a surrogate, U+DC80 to U+DCFF, is stored as U+10DC80 to U+10DCFF, in the last private
    plane.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encode to text that every database can store."""
        return None if value is None else encode_path(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Decode to the path as the operating system expects it."""
        return None if value is None else decode_path(str(value))


_TO_PRIVATE = {code: code + 0x100000 for code in range(0xDC80, 0xDD00)}
_FROM_PRIVATE = {private: code for code, private in _TO_PRIVATE.items()}


def encode_path(path: str) -> str:
    """Return the stored form of a path."""
    return path if path.isascii() else path.translate(_TO_PRIVATE)


def decode_path(stored: str) -> str:
    """Undo ``encode_path``."""
    return stored if stored.isascii() else stored.translate(_FROM_PRIVATE)


class Base(DeclarativeBase):
    """Base of all tables; constraints have names so that migrations can refer to them."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {float: Double}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class LibraryRow(Base):
    """The library itself: one row, with id 1."""

    __tablename__ = "library"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Number of the last committed change."""
    active_encoder: Mapped[str | None] = mapped_column(ForeignKey("encoders.fingerprint"))


class EncoderRow(Base):
    """An encoder whose vectors are stored."""

    __tablename__ = "encoders"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    spec: Mapped[str] = mapped_column(Text)
    """The EncoderSpec as JSON."""


class CalibrationRow(Base):
    """A calibration for this library, which replaces the encoder's own."""

    __tablename__ = "calibrations"

    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoders.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    scale: Mapped[float]
    bias: Mapped[float]
    method: Mapped[str] = mapped_column(String(16))
    clips: Mapped[int]
    encoder_revision: Mapped[str] = mapped_column(Text)
    hubness: Mapped[bytes | None] = mapped_column(LargeBinary)


class VideoRow(Base):
    """A file."""

    __tablename__ = "videos"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    path: Mapped[str] = mapped_column(PathText, unique=True)
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    duration_seconds: Mapped[float]
    frame_rate: Mapped[float]
    width: Mapped[int]
    height: Mapped[int]
    codec: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), index=True)
    damaged: Mapped[bool]
    failure: Mapped[str | None] = mapped_column(Text)
    failure_hint: Mapped[str | None] = mapped_column(String(64))
    hdr: Mapped[bool] = mapped_column(server_default=sql.false())
    has_sound: Mapped[bool | None]


class ClipRow(Base):
    """A clip. Its id is never reused, because vector indexes refer to clips by id."""

    __tablename__ = "clips"
    __table_args__ = (UniqueConstraint("video_id", "position"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    video_id: Mapped[int] = mapped_column(_Id, ForeignKey("videos.id", ondelete="CASCADE"))
    position: Mapped[int]
    """0, 1, ... in the video."""
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    frame_seconds: Mapped[bytes] = mapped_column(LargeBinary)
    """(F,) float64."""


class ClipVectorRow(Base):
    """One encoder's vector of a clip."""

    __tablename__ = "clip_vectors"

    clip_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoders.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    """(D,) float16."""


class ClipFramesRow(Base):
    """One encoder's features of a clip's frames."""

    __tablename__ = "clip_frames"

    clip_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    encoder_id: Mapped[int] = mapped_column(
        ForeignKey("encoders.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    frame_count: Mapped[int]
    """F."""
    vectors: Mapped[bytes] = mapped_column(LargeBinary)
    """(F, D) float16."""
    tokens: Mapped[bytes] = mapped_column(LargeBinary)
    """(F, M, T) float16; empty where the encoder does not re-rank."""


class CopyFramesRow(Base):
    """The copy descriptors of a video. The short columns come first: reading only them is fast.

    Vectors are int8, because there is one per frame and every video is compared with all others.
    """

    __tablename__ = "copy_frames"

    video_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of the copy descriptor."""
    is_compared: Mapped[bool]
    """False until the video was compared with the rest of the library."""
    frame_count: Mapped[int]
    """N; 0 if no frame shows more than one colour."""
    dimension: Mapped[int]
    """D."""
    seconds: Mapped[bytes] = mapped_column(LargeBinary)
    """(N,) float32."""
    vectors: Mapped[bytes] = mapped_column(LargeBinary)
    """(N, D) int8."""


class CopyMatchRow(Base):
    """A segment of a video that is a copy of a segment of another video."""

    __tablename__ = "copy_matches"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    video_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("videos.id", ondelete="CASCADE"), index=True
    )
    other_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("videos.id", ondelete="CASCADE"), index=True
    )
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    other_start_seconds: Mapped[float]
    other_end_seconds: Mapped[float]
    speed: Mapped[float]
    score: Mapped[float]
    mirrored: Mapped[bool]


class DismissedPairRow(Base):
    """Two videos that somebody said are no duplicates of each other. ``video_id < other_id``."""

    __tablename__ = "dismissed_pairs"

    video_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    other_id: Mapped[int] = mapped_column(
        _Id,
        ForeignKey("videos.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )


class LabelRow(Base):
    """A label that somebody gave parts of videos."""

    __tablename__ = "labels"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)


class LabelExampleRow(Base):
    """A part of a video that shows a label, or does not."""

    __tablename__ = "label_examples"

    label_id: Mapped[int] = mapped_column(
        ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    video_id: Mapped[int] = mapped_column(
        _Id,
        ForeignKey("videos.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    start_seconds: Mapped[float] = mapped_column(primary_key=True)
    end_seconds: Mapped[float] = mapped_column(primary_key=True)
    is_positive: Mapped[bool]


class LabelClassifierRow(Base):
    """A label's classifier, for the vectors of one encoder.

    P(label) = sigmoid(weights * vector + bias).
    """

    __tablename__ = "label_classifiers"

    label_id: Mapped[int] = mapped_column(
        ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id", ondelete="CASCADE"))
    weights: Mapped[bytes] = mapped_column(LargeBinary)
    """(D,) float32."""
    bias: Mapped[float]
    positives: Mapped[int]
    accuracy: Mapped[float | None]
    last_clip_id: Mapped[int] = mapped_column(BigInteger)
    """Clips up to this id have been classified."""


class ClipLabelRow(Base):
    """A clip that has a label, by a classifier."""

    __tablename__ = "clip_labels"

    clip_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    label_id: Mapped[int] = mapped_column(
        ForeignKey("labels.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    )
    confidence: Mapped[float]


class CaptionRow(Base):
    """A sentence about a part of a video."""

    __tablename__ = "captions"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    video_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("videos.id", ondelete="CASCADE"), index=True
    )
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    text: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    """Name and commit of the model that wrote it."""


class ChangeRow(Base):
    """A range of clip ids whose clips may have become searchable or stopped being so.

    The row does not say which: a vector index that is behind reads the clips themselves, so that
    applying a change twice, or a range that is too wide, does no harm.
    """

    __tablename__ = "changes"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_clip_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_clip_id: Mapped[int] = mapped_column(BigInteger)
    stamp: Mapped[int] = mapped_column(BigInteger)
    """Random: distinguishes the history of a library that was restored from a backup."""
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Of the encoder or copy descriptor that is affected; NULL for all. Encoding a library with a
    second model must not make the first model's index read every clip again."""


Index("ix_clip_vectors_encoder_id", ClipVectorRow.encoder_id, ClipVectorRow.clip_id)
