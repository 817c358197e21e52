"""Splits of pictures and videos for the copy descriptor: train, background, calibration, test.

    split_of("msrvtt/video7012", seed=0)             # 'train', 'background', ...
    picture_families([Path("msrvtt-0.parquet")])     # a family for every row

A family is a video or a group of pictures that look alike. Its split depends on its name and the
seed alone, and so does not change when other families come or go. The benchmark of copies
(`benchmarks/copies`) chooses its sources by the same function, so that none was trained on.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

Split = Literal["train", "background", "calibration", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
_ENDS = (0.5, 0.55, 0.6, 1.0)
"""End of each split's share, 0 to 1. Thresholds must be chosen on sources that were used neither in
training nor for score normalisation."""
UNGROUPED_PICTURES = 3
LARGEST_GROUP = 24
"""Pictures without a group form families of three, as do those of larger groups, which are
collections."""


def number_of(*parts: object) -> int:
    """A 64-bit hash of the parts, the same on every machine and in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def share_of(*parts: object) -> float:
    """A uniform number in [0, 1) derived from the parts."""
    return number_of(*parts) / 2**64


def split_of(family: str, seed: int) -> Split:
    """The split of a family."""
    position = share_of(seed, "split", family)
    return next(split for split, end in zip(SPLITS, _ENDS, strict=True) if position < end)


def picture_families(tables: Sequence[Path]) -> dict[str, list[tuple[Path, int]]]:
    """The rows of Parquet files of pictures (column ``group``), by family, in order."""
    groups: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    for table in tables:
        import pyarrow.parquet as parquet  # from the extra `train`; not needed for videos alone

        # A set is split into files NAME-0, NAME-1; a group across two files must stay in one split.
        name = re.sub(r"-\d+$", "", table.stem)
        column = parquet.read_table(table, columns=["group"]).column("group").to_pylist()
        for row, group in enumerate(column):
            groups[f"{name}/{group}" if group else f"{table.stem}/"].append((table, row))
    families: dict[str, list[tuple[Path, int]]] = {}
    for name, rows in groups.items():
        if len(rows) <= LARGEST_GROUP and not name.endswith("/"):
            families[name] = rows
            continue
        for start in range(0, len(rows), UNGROUPED_PICTURES):
            part = rows[start : start + UNGROUPED_PICTURES]
            families[f"{name.rstrip('/')}/rows-{start}"] = part
    return families
