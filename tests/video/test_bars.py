"""Black bars are cut off before a picture is encoded."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from colour_encoder import ColourEncoder
from PIL import Image

import vidseek
from vidseek.video import without_bars

PICTURE = np.random.default_rng(1).integers(60, 255, (60, 80, 3), np.uint8)


def framed(picture: np.ndarray, *, rows: int = 0, columns: int = 0, level: int = 0) -> np.ndarray:
    pad = ((rows, rows), (columns, columns), (0, 0))
    return np.pad(picture, pad, constant_values=level)


@pytest.mark.parametrize("bars", [{"rows": 10}, {"columns": 40}, {"rows": 20, "columns": 20}])
@pytest.mark.parametrize("level", [0, 16])
def test_bars_of_any_kind_are_cut(bars: dict[str, int], level: int) -> None:
    (cut,) = without_bars(framed(PICTURE, **bars, level=level)[None])
    np.testing.assert_array_equal(cut, PICTURE)


def test_a_picture_without_bars_is_not_copied() -> None:
    frames = PICTURE[None]
    assert without_bars(frames) is frames
    thin = framed(PICTURE, rows=1)[None]
    assert without_bars(thin) is thin


def test_dark_scenes_are_not_cut() -> None:
    dark = np.zeros((1, 60, 80, 3), np.uint8)
    assert without_bars(dark) is dark
    dark[:, 28:32, 38:42] = 200  # a lamp
    assert without_bars(dark) is dark
    lit = np.stack([dark[0], PICTURE])
    assert without_bars(lit) is lit, "another frame shows that there are no bars"
    assert len(without_bars(dark[:0])) == 0


def test_words_in_a_bar_keep_it() -> None:
    frame = framed(PICTURE, rows=20)
    frame[90:94, 30:50] = 255
    (cut,) = without_bars(frame[None])
    assert cut.shape == (60 + 14, 80, 3)


def write_film(path: Path, rows: int) -> None:
    picture = np.kron(PICTURE[:6, :8], np.ones((16, 16, 1), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 128, 96 + 2 * rows, "yuv420p"
        for _ in range(15):
            frame = av.VideoFrame.from_ndarray(framed(picture, rows=rows))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_letterboxed_film_has_the_vectors_of_its_picture(tmp_path: Path) -> None:
    write_film(tmp_path / "plain.mp4", 0)
    write_film(tmp_path / "boxed.mp4", 24)
    Image.fromarray(framed(PICTURE, rows=20)).save(tmp_path / "boxed.png")
    Image.fromarray(PICTURE).save(tmp_path / "plain.png")
    with vidseek.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.index([tmp_path / "plain.mp4", tmp_path / "boxed.mp4"], workers=1)
        _plain, boxed = library.similar(tmp_path / "plain.mp4", copies=True)
        assert boxed.video.path.name == "boxed.mp4"
        assert boxed.score > 0.98
        scores = [
            library.similar(tmp_path / f"{name}.png", copies=True)[0].score
            for name in ("plain", "boxed")
        ]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
