"""Decoded pictures have the colours that players show, whatever the file's colour tags say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from patches import PATCHES, Signal, patch_colours, write_patches
from videos import make_video, picture

from vidseek.video import open_video

READERS = ["pyav", pytest.param("decord", marks=pytest.mark.full)]

SIGNALS = {
    "bt601.mp4": Signal(matrix=5),
    "bt709.mp4": Signal(),
    "bt709_10bit.mp4": Signal(is_deep=True),
    "bt709_full.mp4": Signal(is_full_range=True),
    "bt709_full_10bit.mp4": Signal(is_full_range=True, is_deep=True),
    "bt2020_sdr.mp4": Signal(matrix=9, primaries=9, transfer=14, is_deep=True),
    "display_p3.mov": Signal(primaries=12),
    "pq.mp4": Signal(matrix=9, primaries=9, transfer=16, is_deep=True),
    "pq_full.mkv": Signal(matrix=9, primaries=9, transfer=16, is_deep=True, is_full_range=True),
    "pq_p3.mov": Signal(matrix=9, primaries=12, transfer=16, is_deep=True),
    "hlg.mov": Signal(matrix=9, primaries=9, transfer=18, is_deep=True),
    "hlg_8bit.mp4": Signal(matrix=9, primaries=9, transfer=18),
}


def first_picture(path: Path, reader: Any = "pyav", short_side: int | None = None) -> Any:
    with open_video(path, reader=reader, short_side=short_side) as video:
        (batch,) = video.frames(np.array([0]))
        return batch.data[0]


def off_by(colours: NDArray[np.float64], expected: NDArray[np.float64] = PATCHES) -> float:
    return float(np.abs(colours - expected).max())


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", SIGNALS)
def test_the_same_colours_come_out_of_every_signal(name: str, reader: Any, tmp_path: Path) -> None:
    path = write_patches(tmp_path / name, SIGNALS[name])
    assert off_by(patch_colours(first_picture(path, reader))) <= 6


def test_tags_that_only_the_container_has_are_used(tmp_path: Path) -> None:
    # An FFV1 stream does not say that it is PQ.
    signal = Signal(matrix=9, primaries=9, transfer=16, is_deep=True)
    path = write_patches(tmp_path / "a.mkv", signal, codec="ffv1")
    assert off_by(patch_colours(first_picture(path))) <= 6


@pytest.mark.parametrize("transfer", [16, 18])
def test_highlights_keep_their_order_and_hue(transfer: int, tmp_path: Path) -> None:
    greys = np.repeat([[0.1], [0.5], [1.0], [2.0], [4.0]], 3, axis=1)
    light = np.vstack([greys, [[3.0, 0.6, 0.3]]])
    signal = Signal(matrix=9, primaries=9, transfer=transfer, is_deep=True)
    path = write_patches(tmp_path / "a.mp4", signal, light=light)
    colours = patch_colours(first_picture(path), count=6)
    shades = colours[:5].mean(axis=1)
    assert np.all(np.diff(shades) > 4)
    assert shades[0] == pytest.approx(255 * 0.1 ** (1 / 2.4), abs=8)
    assert 195 < shades[2] < 245  # diffuse white makes room for highlights
    assert shades[4] > 245
    red, green, blue = colours[5]
    assert red > 200 > green > blue
    assert (green / red) ** 2.4 == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("size", "matrix"), [((640, 480), 5), ((1280, 720), 1), ((1280, 536), 1), ((720, 1280), 1)]
)
def test_an_absent_matrix_is_guessed_as_players_do(
    size: tuple[int, int], matrix: int, reader: Any, tmp_path: Path
) -> None:
    signal = Signal(matrix=matrix, transfer=2, tagged_matrix=2)
    path = write_patches(tmp_path / "a.mp4", signal, size=size)
    assert off_by(patch_colours(first_picture(path, reader))) <= 6


@pytest.mark.parametrize("name", ["hlg.mov", "pq.mp4", "bt709.mp4"])
def test_hdr_is_told(name: str, tmp_path: Path) -> None:
    with open_video(write_patches(tmp_path / name, SIGNALS[name])) as video:
        assert video.info.hdr == (name != "bt709.mp4")


@pytest.mark.parametrize("tag", [3, 8, 10, 12, 14, 15])
def test_reserved_and_rare_matrices_are_read(tag: int, tmp_path: Path) -> None:
    path = write_patches(tmp_path / "a.mp4", Signal(matrix=5, tagged_matrix=tag))
    assert off_by(patch_colours(first_picture(path))) <= 60


@pytest.mark.parametrize("reader", READERS)
def test_readers_agree_at_any_size(reader: Any, tmp_path: Path) -> None:
    path = write_patches(tmp_path / "a.mov", SIGNALS["hlg.mov"], size=(640, 360))
    small = first_picture(path, reader, short_side=90)
    assert small.shape == (90, 160, 3)
    assert off_by(patch_colours(small)) <= 6


def transparent(path: Path, codec: str, pixel_format: str) -> Path:
    """Black, white and red at full, half and no opacity; the invisible colours are green."""
    layers = np.zeros((48, 192, 4), np.uint8)
    layers[:, :64] = (0, 0, 0, 255)
    layers[:, 64:128] = (255, 0, 0, 128)
    layers[:, 128:] = (0, 255, 0, 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 192, 48, pixel_format
        if codec == "libvpx-vp9":
            stream.options = {"crf": "4", "deadline": "realtime", "cpu-used": "8"}
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(layers, format="rgba")
            frame.pts = number
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mov", "qtrle", "argb"),
        ("b.mov", "png", "rgba"),
        ("c.mov", "prores_ks", "yuva444p10le"),
        ("d.mkv", "ffv1", "yuva420p"),
        ("e.webm", "libvpx-vp9", "yuva420p"),
    ],
)
def test_transparent_pictures_lie_over_grey(
    name: str, codec: str, pixel_format: str, reader: Any, tmp_path: Path
) -> None:
    path = transparent(tmp_path / name, codec, pixel_format)
    colours = patch_colours(first_picture(path, reader), count=3)
    assert off_by(colours, np.array([(0, 0, 0), (192, 64, 64), (128, 128, 128)])) <= 8


def test_thin_white_lines_over_nothing_stay_visible(tmp_path: Path) -> None:
    layers = np.zeros((200, 400, 4), np.uint8)
    layers[:, ::4] = 255
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 400, 200, "argb"
        frame = av.VideoFrame.from_ndarray(layers, format="rgba").reformat(format="argb")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    picture = first_picture(path, short_side=50)
    assert picture.mean() == pytest.approx(128 + 127 / 4, abs=4)


def test_an_opaque_gif_keeps_its_pixels(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.gif", [picture(1)], seconds_each=0.2, codec="gif")
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert np.array_equal(first_picture(path), plain)
