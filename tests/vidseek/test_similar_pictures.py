"""Odd pictures as queries, the way users give them: `vidseek similar PICTURE`."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

CAT = Image.fromarray(data.cat())


def deep(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(np.uint16) * 257


def write_deep_png(path: Path, values: np.ndarray) -> None:
    """An RGB PNG of 16 bits a channel, which Pillow reads and cannot write."""
    high, wide = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", wide, high, 16, 2, 0, 0, 0)
    blob = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        check = zlib.crc32(kind + body)
        blob += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
    path.write_bytes(blob)


def save(path: Path, kind: str) -> Path:
    """The cat of the library in some form."""
    if kind == "grey":
        CAT.convert("L").save(path)
    elif kind == "transparent":
        CAT.convert("RGBA").save(path)
    elif kind == "palette":
        CAT.convert("P").save(path)
    elif kind == "16-bit grey":
        Image.fromarray(deep(CAT.convert("L"))).save(path)
    elif kind == "16-bit colour":
        write_deep_png(path, deep(CAT))
    elif kind == "huge":
        CAT.resize((9000, 6000)).save(path, compress_level=1)
    return path


@pytest.mark.parametrize(
    "kind", ["grey", "transparent", "palette", "16-bit grey", "16-bit colour", "huge"]
)
def test_the_cat_is_found_in_every_picture_format(vidseek, kind: str, tmp_path: Path) -> None:
    picture = save(tmp_path / "query.png", kind)
    answer = vidseek("similar", picture, "--json")
    assert answer.returncode == 0, answer.stderr
    assert Path(json.loads(answer.stdout)[0]["path"]).name == "cat.mp4"


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "I;16"])
def test_a_single_pixel_is_answered(vidseek, mode: str, tmp_path: Path) -> None:
    picture = tmp_path / "pixel.png"
    Image.new(mode, (1, 1)).save(picture)
    answer = vidseek("similar", picture, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)


@pytest.mark.parametrize("size", [(12_000, 9_000), (20_000, 10_000)])
def test_a_picture_beyond_the_limit_is_refused_by_name(vidseek, size, tmp_path: Path) -> None:
    picture = tmp_path / "vast.png"
    Image.new("1", size).save(picture)
    answer = vidseek("similar", picture)
    assert answer.returncode != 0
    assert "vast.png" in answer.stderr
    assert "100 million" in answer.stderr


@pytest.mark.parametrize("kept", [8, 60, 4000])
def test_a_picture_cut_short_is_refused_by_name(vidseek, kept: int, tmp_path: Path) -> None:
    picture = tmp_path / "cut.png"
    CAT.save(picture)
    picture.write_bytes(picture.read_bytes()[:kept])
    answer = vidseek("similar", picture)
    assert answer.returncode != 0
    assert "cut.png" in answer.stderr
    assert "Traceback" not in answer.stderr
