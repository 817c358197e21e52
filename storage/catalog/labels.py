"""The labels of a library: examples, classifiers, and the clips that have a label.

store.labels.add_examples([LabelExample("goal", video.id, TimeSpan(12, 18))])
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from vidseek.core.types import LabelExample, TimeSpan, TrainedLabel, VideoFilter, VideoState
from vidseek.storage.catalog.filters import video_conditions
from vidseek.storage.catalog.schema import (
    ClipLabelRow,
    ClipRow,
    ClipVectorRow,
    EncoderRow,
    LabelClassifierRow,
    LabelExampleRow,
    LabelRow,
    VideoRow,
)
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.video_queries import chunks


@dataclass(frozen=True)
class LabelClassifier:
    """A logistic classifier of clip vectors: P(label) = sigmoid(weights @ vector + bias)."""

    label: str
    weights: NDArray[np.float32] = field(repr=False)
    """(D,)."""
    bias: float
    positives: int
    """Clips of examples that it learned from."""
    accuracy: float | None
    """Cross-validated balanced accuracy; None if that could not be measured."""
    last_clip_id: int = 0
    """Clips up to this id have been classified."""


class Labels:
    """Labels by name. Every method is one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add_examples(self, examples: Sequence[LabelExample]) -> None:
        """Store examples; a later example of the same part of a video replaces an earlier one."""
        with self._transactions.writing() as change:
            connection = change.connection
            for example in examples:
                label_id = _label_id(connection, example.label)
                if label_id is None:
                    connection.execute(insert(LabelRow).values(name=example.label))
                    label_id = _label_id(connection, example.label)
                assert label_id is not None
                connection.execute(delete(LabelExampleRow).where(*_same(example, label_id)))
                connection.execute(
                    insert(LabelExampleRow).values(
                        label_id=label_id,
                        video_id=example.video_id,
                        start_seconds=example.span.start_seconds,
                        end_seconds=example.span.end_seconds,
                        is_positive=example.is_positive,
                    )
                )

    def remove_examples(self, examples: Sequence[LabelExample]) -> int:
        """Delete examples, whether they show the label or not.

        Returns:
            How many were stored.
        """
        removed = 0
        with self._transactions.writing() as change:
            for example in examples:
                label_id = _label_id(change.connection, example.label)
                if label_id is not None:
                    statement = delete(LabelExampleRow).where(*_same(example, label_id))
                    removed += change.connection.execute(statement).rowcount
        return removed

    def remove(self, name: str) -> bool:
        """Delete a label with its examples and classifiers; False if there is none."""
        with self._transactions.writing() as change:
            found = change.connection.execute(delete(LabelRow).where(LabelRow.name == name))
            return found.rowcount > 0

    def examples(self, name: str | None = None) -> list[LabelExample]:
        """The examples of a label, or of all labels, in INDEXED videos."""
        statement = (
            select(
                LabelRow.name,
                LabelExampleRow.video_id,
                LabelExampleRow.start_seconds,
                LabelExampleRow.end_seconds,
                LabelExampleRow.is_positive,
            )
            .select_from(LabelExampleRow)
            .join(LabelRow, LabelRow.id == LabelExampleRow.label_id)
            .join(VideoRow, VideoRow.id == LabelExampleRow.video_id)
            .where(VideoRow.state == VideoState.INDEXED)
            .order_by(LabelRow.name, LabelExampleRow.video_id, LabelExampleRow.start_seconds)
        )
        if name is not None:
            statement = statement.where(LabelRow.name == name)
        with self._transactions.reading() as connection:
            return [
                LabelExample(
                    row.name,
                    row.video_id,
                    TimeSpan(row.start_seconds, row.end_seconds),
                    row.is_positive,
                )
                for row in connection.execute(statement)
            ]

    def names(self) -> list[str]:
        """The names of all labels, in order."""
        with self._transactions.reading() as connection:
            return list(connection.execute(select(LabelRow.name).order_by(LabelRow.name)).scalars())

    def trained(self) -> list[TrainedLabel]:
        """All labels, by name."""
        with self._transactions.reading() as connection:
            counts = _example_counts(connection)
            clips = _clip_counts(connection)
            classifiers = _classifiers(connection)
            rows = connection.execute(select(LabelRow.id, LabelRow.name).order_by(LabelRow.name))
            found = []
            for label_id, name in rows.all():
                owner, positives, accuracy = classifiers.get(label_id, (None, 0, None))
                found.append(
                    TrainedLabel(
                        name,
                        counts.get((label_id, True), 0),
                        counts.get((label_id, False), 0),
                        owner,
                        positives,
                        accuracy,
                        clips.get(label_id, 0),
                    )
                )
            return found

    def classifiers(self, fingerprint: str) -> list[LabelClassifier]:
        """The classifiers of an encoder's vectors, by name."""
        with self._transactions.reading() as connection:
            encoder = self._transactions.find_encoder(connection, fingerprint)
            if encoder is None:
                return []
            rows = connection.execute(
                select(
                    LabelRow.name,
                    LabelClassifierRow.weights,
                    LabelClassifierRow.bias,
                    LabelClassifierRow.positives,
                    LabelClassifierRow.accuracy,
                    LabelClassifierRow.last_clip_id,
                )
                .join(LabelRow, LabelRow.id == LabelClassifierRow.label_id)
                .where(LabelClassifierRow.encoder_id == encoder.id)
                .order_by(LabelRow.name)
            )
            return [
                LabelClassifier(
                    row.name,
                    np.frombuffer(row.weights, "<f4"),
                    row.bias,
                    row.positives,
                    row.accuracy,
                    row.last_clip_id,
                )
                for row in rows
            ]

    def set_classifier(self, classifier: LabelClassifier, fingerprint: str) -> bool:
        """Replace the classifier of a label, and forget which clips had the label.

        Returns:
            False if the label was removed meanwhile.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            encoder = self._transactions.encoder(connection, fingerprint)
            label_id = _label_id(connection, classifier.label)
            if label_id is None:
                return False
            # Clips have a label by one model only: a classifier of another model is out of date.
            connection.execute(
                delete(LabelClassifierRow).where(LabelClassifierRow.label_id == label_id)
            )
            connection.execute(delete(ClipLabelRow).where(ClipLabelRow.label_id == label_id))
            connection.execute(
                insert(LabelClassifierRow).values(
                    label_id=label_id,
                    encoder_id=encoder.id,
                    weights=classifier.weights.astype("<f4").tobytes(),
                    bias=classifier.bias,
                    positives=classifier.positives,
                    accuracy=classifier.accuracy,
                    last_clip_id=0,
                )
            )
            return True

    def unclassified_clips(self, after_id: int, fingerprint: str) -> NDArray[np.int64]:
        """Ids of encoded clips beyond an id, also of videos that are missing now, ascending."""
        with self._transactions.reading() as connection:
            encoder = self._transactions.find_encoder(connection, fingerprint)
            if encoder is None:
                return np.empty(0, np.int64)
            ids = connection.execute(
                select(ClipVectorRow.clip_id)
                .where(ClipVectorRow.encoder_id == encoder.id, ClipVectorRow.clip_id > after_id)
                .order_by(ClipVectorRow.clip_id)
            ).scalars()
            return np.fromiter(ids, np.int64)

    def label_clips(
        self, name: str, fingerprint: str, clips: Sequence[tuple[int, float]], *, last_clip_id: int
    ) -> None:
        """Store which clips have a label, and up to which clip that is known.

        Args:
            name: the label.
            fingerprint: of the encoder of its classifier.
            clips: ids and confidences of clips that have the label; those that were removed
                meanwhile are left out.
            last_clip_id: clips up to this id have been classified.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            encoder = self._transactions.encoder(connection, fingerprint)
            label_id = _label_id(connection, name)
            if label_id is None:
                return
            for chunk in chunks(clips):
                ids = [clip_id for clip_id, _ in chunk]
                connection.execute(
                    delete(ClipLabelRow).where(
                        ClipLabelRow.label_id == label_id, ClipLabelRow.clip_id.in_(ids)
                    )
                )
                exist = set(
                    connection.execute(select(ClipRow.id).where(ClipRow.id.in_(ids))).scalars()
                )
                rows = [
                    {"clip_id": clip_id, "label_id": label_id, "confidence": confidence}
                    for clip_id, confidence in chunk
                    if clip_id in exist
                ]
                if rows:
                    connection.execute(insert(ClipLabelRow), rows)
            connection.execute(
                update(LabelClassifierRow)
                .where(
                    LabelClassifierRow.label_id == label_id,
                    LabelClassifierRow.encoder_id == encoder.id,
                )
                .values(last_clip_id=last_clip_id)
            )

    def clips(self, name: str, count: int, where: VideoFilter) -> list[tuple[int, float]]:
        """Ids and confidences of clips that have a label, in searchable videos that pass a filter.

        Clips of the newest videos come first, clips of a video in order of time.
        """
        with self._transactions.reading() as connection:
            rows = connection.execute(
                select(ClipLabelRow.clip_id, ClipLabelRow.confidence)
                .join(LabelRow, LabelRow.id == ClipLabelRow.label_id)
                .join(ClipRow, ClipRow.id == ClipLabelRow.clip_id)
                .join(VideoRow, VideoRow.id == ClipRow.video_id)
                .where(
                    LabelRow.name == name,
                    VideoRow.state == VideoState.INDEXED,
                    *video_conditions(where, connection.dialect.name),
                )
                .order_by(VideoRow.modified_ns.desc(), VideoRow.id, ClipRow.position)
                .limit(count)
            )
            return [(row.clip_id, row.confidence) for row in rows]

    def of_videos(self, video_ids: Collection[int]) -> dict[int, list[str]]:
        """The labels of videos that have any, by video id."""
        found: dict[int, list[str]] = {}
        with self._transactions.reading() as connection:
            for chunk in chunks(video_ids):
                rows = connection.execute(
                    select(ClipRow.video_id, LabelRow.name)
                    .join(ClipLabelRow, ClipLabelRow.clip_id == ClipRow.id)
                    .join(LabelRow, LabelRow.id == ClipLabelRow.label_id)
                    .where(ClipRow.video_id.in_(chunk))
                    .distinct()
                    .order_by(ClipRow.video_id, LabelRow.name)
                )
                for video_id, name in rows:
                    found.setdefault(video_id, []).append(name)
        return found

    def of_clips(self, clip_ids: Collection[int]) -> dict[int, list[str]]:
        """The labels of clips that have any, by clip id."""
        found: dict[int, list[str]] = {}
        with self._transactions.reading() as connection:
            for chunk in chunks(clip_ids):
                rows = connection.execute(
                    select(ClipLabelRow.clip_id, LabelRow.name)
                    .join(LabelRow, LabelRow.id == ClipLabelRow.label_id)
                    .where(ClipLabelRow.clip_id.in_(chunk))
                    .order_by(ClipLabelRow.clip_id, LabelRow.name)
                )
                for clip_id, name in rows:
                    found.setdefault(clip_id, []).append(name)
        return found


def forget_classified(connection: Connection, encoder_id: int, clip_ids: Collection[int]) -> None:
    """Let the classifiers of an encoder see clips again, whose vectors are new.

    A model may encode a video after later ones, so that its clips have smaller ids than those that
    have been classified.
    """
    if clip_ids:
        before = min(clip_ids) - 1
        connection.execute(
            update(LabelClassifierRow)
            .where(
                LabelClassifierRow.encoder_id == encoder_id,
                LabelClassifierRow.last_clip_id > before,
            )
            .values(last_clip_id=before)
        )


def _label_id(connection: Connection, name: str) -> int | None:
    found: int | None = connection.execute(
        select(LabelRow.id).where(LabelRow.name == name)
    ).scalar()
    return found


def _same(example: LabelExample, label_id: int) -> tuple[ColumnElement[bool], ...]:
    return (
        LabelExampleRow.label_id == label_id,
        LabelExampleRow.video_id == example.video_id,
        LabelExampleRow.start_seconds == example.span.start_seconds,
        LabelExampleRow.end_seconds == example.span.end_seconds,
    )


def _example_counts(connection: Connection) -> dict[tuple[int, bool], int]:
    rows = connection.execute(
        select(LabelExampleRow.label_id, LabelExampleRow.is_positive, func.count()).group_by(
            LabelExampleRow.label_id, LabelExampleRow.is_positive
        )
    )
    return {(label_id, bool(is_positive)): count for label_id, is_positive, count in rows}


def _clip_counts(connection: Connection) -> dict[int, int]:
    rows = connection.execute(
        select(ClipLabelRow.label_id, func.count())
        .join(ClipRow, ClipRow.id == ClipLabelRow.clip_id)
        .join(VideoRow, and_(VideoRow.id == ClipRow.video_id, VideoRow.state == VideoState.INDEXED))
        .group_by(ClipLabelRow.label_id)
    )
    return {label_id: count for label_id, count in rows}  # noqa: C416  (rows are no pairs to mypy)


def _classifiers(connection: Connection) -> dict[int, tuple[str, int, float | None]]:
    """Fingerprint, positives and accuracy by label id."""
    rows = connection.execute(
        select(
            LabelClassifierRow.label_id,
            EncoderRow.fingerprint,
            LabelClassifierRow.positives,
            LabelClassifierRow.accuracy,
        ).join(EncoderRow, EncoderRow.id == LabelClassifierRow.encoder_id)
    )
    return {row.label_id: (row.fingerprint, row.positives, row.accuracy) for row in rows}
