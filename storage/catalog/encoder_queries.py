"""The stored form of encoders and their calibrations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from vidseek.core.types import Calibration, EncoderSpec

_HEAD = "head "
"""Prefix of the column ``encoder_revision`` where it has a head's hash in place of a revision."""


@dataclass(frozen=True)
class StoredEncoder:
    """A registered encoder and its id in the database."""

    id: int
    spec: EncoderSpec


def write_spec(spec: EncoderSpec) -> str:
    """Return the stored form of a spec, as JSON."""
    return json.dumps(spec.to_document(), sort_keys=True)


# Every query needs it, and parsing it takes longer than reading it.
@lru_cache(maxsize=64)
def read_spec(document: str) -> EncoderSpec:
    """Read a spec; fields that a newer vidseek added are ignored."""
    return EncoderSpec.from_document(json.loads(document))


def write_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return the columns of a calibration."""
    columns = asdict(calibration)
    head_hash = columns.pop("head_hash")
    if head_hash is not None:
        columns["encoder_revision"] = f"{_HEAD}{head_hash}"
    return columns


def read_calibration(columns: Mapping[str, Any]) -> Calibration:
    """Read a calibration from its columns."""
    noted = columns["encoder_revision"]
    if not noted.startswith(_HEAD):
        return Calibration(**columns)
    head_hash = noted.removeprefix(_HEAD)
    return Calibration(**{**columns, "encoder_revision": "", "head_hash": head_hash})
