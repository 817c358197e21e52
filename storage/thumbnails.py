"""Thumbnails: small JPEG files, named by content so that a moved video keeps them."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NAME_DIGITS = 16
"""Digits of the content hash in a file name: enough to be unique, short enough to read."""


def thumbnail_path(folder: Path, content_hash: str, seconds: float) -> Path:
    """Return the path of a frame's thumbnail."""
    name = content_hash[-_NAME_DIGITS:]
    return folder.joinpath(name[:2], f"{name}-{round(seconds * 1000)}.jpg")


def write_thumbnail(path: Path, jpeg: bytes) -> None:
    """Write a thumbnail atomically.

    Args:
        path: the file; its folder is created.
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
    """Read a thumbnail as (H, W, 3) uint8 RGB; None if it is missing or damaged."""
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
    """Delete the thumbnails of all other contents; return how many files."""
    removed = 0
    known = {content_hash[-_NAME_DIGITS:] for content_hash in known_hashes}
    for path in folder.glob("??/*"):
        if path.suffix != ".jpg" or path.name.rpartition("-")[0] not in known:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
