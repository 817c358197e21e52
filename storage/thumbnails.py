"""Thumbnails: small JPEG files, named by content so that a moved video keeps them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NAME_DIGITS = 16
"""Last digits of the content's hash in a name: enough to tell contents apart, and readable."""


def thumbnail_path(folder: Path, content_hash: str, seconds: float) -> Path:
    """Where the thumbnail of a frame lies."""
    name = content_hash[-_NAME_DIGITS:]
    return folder / name[:2] / f"{name}-{round(seconds * 1000)}.jpg"


def write_thumbnail(path: Path, jpeg: bytes) -> None:
    """Write a thumbnail, whole or not at all.

    Args:
        path: where; its folder is made.
        jpeg: the file's content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(jpeg)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_thumbnail(path: Path) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8 RGB; None if there is none that can be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return None


def remove_thumbnails(folder: Path, content_hashes: Collection[str]) -> None:
    """Delete the thumbnails of some contents."""
    for content_hash in content_hashes:
        name = content_hash[-_NAME_DIGITS:]
        for path in (folder / name[:2]).glob(f"{name}-*.jpg"):
            path.unlink(missing_ok=True)


def remove_orphans(folder: Path, known_hashes: Collection[str]) -> int:
    """Remove thumbnails of contents that the library no longer holds; gives how many files."""
    removed = 0
    known = {content_hash[-_NAME_DIGITS:] for content_hash in known_hashes}
    for path in folder.glob("??/*"):
        if path.suffix != ".jpg" or path.name.rpartition("-")[0] not in known:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
