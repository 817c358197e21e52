"""The encoders of a library: their specifications, which is active, and calibrations.

store.encoders.register(spec)
spec = store.encoders.active()
"""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update

from vidseek.core.errors import Hint, LibraryError
from vidseek.core.types import Calibration, EncoderSpec, LibraryModel
from vidseek.storage.catalog.encoder_queries import (
    read_calibration,
    read_spec,
    write_calibration,
    write_spec,
)
from vidseek.storage.catalog.schema import (
    CalibrationRow,
    ClipLabelRow,
    ClipVectorRow,
    EncoderRow,
    LabelClassifierRow,
    LibraryRow,
)
from vidseek.storage.catalog.statistics import count_models
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.video_queries import (
    delete_vectors,
)


class Encoders:
    """The encoders whose vectors the library stores. Every method is one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def register(self, spec: EncoderSpec) -> None:
        """Register an encoder, or update its spec. The first one becomes active."""
        with self._transactions.writing() as change:
            connection = change.connection
            encoder_id = connection.execute(
                select(EncoderRow.id).where(EncoderRow.fingerprint == spec.fingerprint)
            ).scalar()
            document = write_spec(spec)
            if encoder_id is None:
                connection.execute(
                    insert(EncoderRow).values(fingerprint=spec.fingerprint, spec=document)
                )
            else:  # a new revision of the text part, or a calibration
                connection.execute(
                    update(EncoderRow).where(EncoderRow.id == encoder_id).values(spec=document)
                )
            connection.execute(
                update(LibraryRow)
                .where(LibraryRow.active_encoder.is_(None))
                .values(active_encoder=spec.fingerprint)
            )

    def specs(self) -> list[EncoderSpec]:
        """The specs of all registered encoders, oldest first."""
        with self._transactions.reading() as connection:
            rows = connection.execute(select(EncoderRow.spec).order_by(EncoderRow.id))
            return [read_spec(document) for document in rows.scalars()]

    def active(self) -> EncoderSpec | None:
        """The encoder used for indexing and searching; None in a new library."""
        with self._transactions.reading() as connection:
            document = connection.execute(
                select(EncoderRow.spec).join(
                    LibraryRow, LibraryRow.active_encoder == EncoderRow.fingerprint
                )
            ).scalar()
            return None if document is None else read_spec(document)

    def activate(self, fingerprint: str) -> None:
        """Switch to another registered encoder."""
        with self._transactions.writing() as change:
            connection = change.connection
            self._transactions.encoder(connection, fingerprint)
            connection.execute(update(LibraryRow).values(active_encoder=fingerprint))

    def calibration(self, fingerprint: str) -> Calibration | None:
        """The stored calibration of an encoder, or None."""
        with self._transactions.reading() as connection:
            row = connection.execute(
                select(
                    CalibrationRow.scale,
                    CalibrationRow.bias,
                    CalibrationRow.method,
                    CalibrationRow.clips,
                    CalibrationRow.encoder_revision,
                    CalibrationRow.hubness,
                )
                .join(EncoderRow, EncoderRow.id == CalibrationRow.encoder_id)
                .where(EncoderRow.fingerprint == fingerprint)
            ).first()
            return None if row is None else read_calibration(dict(row._mapping))

    def set_calibration(self, fingerprint: str, calibration: Calibration | None) -> bool:
        """Replace the calibration of a registered encoder.

        Args:
            fingerprint: the encoder's.
            calibration: the new one; None only deletes the old one.

        Returns:
            True if there was a calibration before.
        """
        with self._transactions.writing() as change:
            encoder = self._transactions.encoder(change.connection, fingerprint)
            earlier = change.connection.execute(
                delete(CalibrationRow).where(CalibrationRow.encoder_id == encoder.id)
            )
            if calibration is not None:
                change.connection.execute(
                    insert(CalibrationRow).values(
                        encoder_id=encoder.id, **write_calibration(calibration)
                    )
                )
            return earlier.rowcount > 0

    def drop(self, fingerprint: str) -> None:
        """Delete an encoder with its calibration and vectors.

        Raises:
            LibraryError: no encoder has that fingerprint, or it is the active one.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            encoder = self._transactions.encoder(connection, fingerprint)
            active = connection.execute(select(LibraryRow.active_encoder)).scalar()
            if active == fingerprint:
                raise LibraryError(
                    f"{fingerprint} is the active model of {self._transactions.name} and "
                    "cannot be dropped",
                    hint=Hint("switch_before_drop"),
                )
            first, last = connection.execute(
                select(func.min(ClipVectorRow.clip_id), func.max(ClipVectorRow.clip_id)).where(
                    ClipVectorRow.encoder_id == encoder.id
                )
            ).one()
            delete_vectors(connection, encoder.id, None)
            learned = select(LabelClassifierRow.label_id).where(
                LabelClassifierRow.encoder_id == encoder.id
            )
            connection.execute(delete(ClipLabelRow).where(ClipLabelRow.label_id.in_(learned)))
            # The calibration and the classifiers of labels are deleted by foreign keys.
            connection.execute(delete(EncoderRow).where(EncoderRow.id == encoder.id))
            if first is not None:
                change.log_ranges([(first, last)], fingerprint=fingerprint)

    def models(self) -> list[LibraryModel]:
        """All registered encoders, oldest first, with how much of the library each covers."""
        with self._transactions.reading() as connection:
            return count_models(connection)
