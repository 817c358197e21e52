"""Read the data folder's pictures and captions from Parquet files.

rows = read_rows(Path("../shared/data"), "flickr8k")
dev = [row for row in rows if row.split == "dev"]
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EVALUATION_ONLY = frozenset({"scenes15"})
"""Sets for measuring unseen class names: no row of them is trained on, whatever its split."""


@dataclass(frozen=True)
class PictureRow:
    """A picture's position in its set, its captions and its class."""

    index: int
    """Position among the set's rows, in the order of its files; also its row in the map cache."""
    split: str
    label: str | None
    captions: tuple[str, ...]
    group: str | None
    """Rows of one group are near-duplicates (frames of one video)."""


def picture_files(data: Path, name: str) -> list[Path]:
    """The Parquet files of one set, in order.

    Raises:
        FileNotFoundError: the set has no file.
    """
    folder = data / "images"
    single = folder / f"{name}.parquet"
    files = [single] if single.is_file() else sorted(folder.glob(f"{name}-[0-9].parquet"))
    if not files:
        raise FileNotFoundError(f"no {name}.parquet or {name}-0.parquet in {folder}")
    return files


def read_rows(data: Path, name: str) -> list[PictureRow]:
    """Everything but the pixels of one set."""
    import pyarrow.parquet as parquet

    rows: list[PictureRow] = []
    for file in picture_files(data, name):
        table = parquet.read_table(file, columns=["split", "label", "captions", "group"])
        for record in table.to_pylist():
            rows.append(
                PictureRow(
                    index=len(rows),
                    split=record["split"],
                    label=record["label"],
                    captions=tuple(caption for caption in record["captions"] if caption.strip()),
                    group=record["group"],
                )
            )
    return rows


def read_pictures(data: Path, name: str, *, start: int = 0) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) uint8 RGB pictures of one set, in order, from row ``start`` on."""
    import pyarrow.parquet as parquet
    from PIL import Image

    seen = 0
    for file in picture_files(data, name):
        column = parquet.read_table(file, columns=["image"]).column("image")
        for index in range(max(start - seen, 0), len(column)):
            with Image.open(io.BytesIO(column[index].as_py())) as picture:
                yield np.asarray(picture.convert("RGB"))
        seen += len(column)


def text_only_captions(data: Path) -> list[str]:
    """The data folder's sentences that belong to no picture, file by file; with duplicates."""
    sentences: list[str] = []
    for file in sorted((data / "captions").glob("*.txt.gz")):
        sentences += gzip.decompress(file.read_bytes()).decode().splitlines()
    return sentences


def class_caption(label: str) -> str:
    """The sentence for a class name, in training and in evaluation."""
    return f"a photo of a {label.replace('_', ' ').lower()}"


def row_captions(row: PictureRow) -> tuple[str, ...]:
    """A picture's captions, or the sentence for its class."""
    if row.captions:
        return row.captions
    return (class_caption(row.label),) if row.label else ()
