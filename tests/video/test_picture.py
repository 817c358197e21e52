from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidseek.core.errors import DecodeLimitError, NotAVideoError, VideoError
from vidseek.video import is_picture, read_picture
from vidseek.video import picture as picture_module


def red_over_blue(mode: str = "RGB") -> Image.Image:
    """Left half red, right half blue: 40 x 20."""
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    image.paste((0, 0, 255), (20, 0, 40, 20))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_every_mode_becomes_rgb(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    try:
        red_over_blue(mode).save(path)
    except OSError:
        return  # the format has no such mode
    assert is_picture(path)
    batch = read_picture(path)
    assert batch.data.shape == (1, 20, 40, 3)
    assert batch.pts_seconds.tolist() == [0.0]
    np.testing.assert_allclose(batch.data[0, 10, 5], [255, 0, 0], atol=12)
    np.testing.assert_allclose(batch.data[0, 10, 35], [0, 0, 255], atol=12)


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    red_over_blue().save(path, exif=exif, quality=95)
    frame = read_picture(path).data[0]
    assert frame.shape == (40, 20, 3)
    np.testing.assert_allclose(frame[5, 10], [255, 0, 0], atol=12)


def test_transparency_lies_over_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(path)
    assert (read_picture(path).data == 128).all()


def test_deep_grey_is_not_burnt_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(path)
    frame = read_picture(path).data[0]
    assert frame[0, 0, 0] == 0
    assert frame[7, 7, 0] == 255
    assert 100 < frame[4, 0, 0] < 160


def test_too_many_pixels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (15_000, 12_500)).save(path)  # 0.19 billion pixels in 23 kB
    with pytest.raises(DecodeLimitError):
        read_picture(path)
    small = tmp_path / "b.png"
    red_over_blue().save(small)
    monkeypatch.setattr(picture_module, "MAX_PIXELS", 799)
    with pytest.raises(DecodeLimitError, match="40 x 20"):
        read_picture(small)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("no picture")
    assert not is_picture(path)
    with pytest.raises(NotAVideoError):
        read_picture(path)
    assert not is_picture(tmp_path / "missing.jpg")
    assert not is_picture(tmp_path)
    with pytest.raises(VideoError, match=r"missing\.jpg"):
        read_picture(tmp_path / "missing.jpg")


def test_a_picture_cut_short_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VideoError, match="damaged") as caught:
        read_picture(path)
    assert "\n" not in caught.value.reason


def test_one_deep_grey_all_over_is_that_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((3, 3), 40_000, np.uint16)).save(path)
    assert (read_picture(path).data == 155).all()


def test_a_float_picture_without_a_number_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.full((3, 3), np.nan, np.float32)).save(path)
    assert read_picture(path).data.shape == (1, 3, 3, 3)


@pytest.mark.parametrize("size", [(1, 1), (60_000, 1), (1, 60_000)])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_the_smallest_and_the_thinnest_are_read(
    size: tuple[int, int], mode: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, size).save(path)
    assert read_picture(path).data.shape == (1, size[1], size[0], 3)


LARGE = (4400, 4000)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "png"),
        ("RGB", "jpg"),
        ("RGBA", "png"),
        ("P", "png"),
        ("CMYK", "tif"),
    ],
)
def test_a_large_picture_is_shrunk_and_keeps_its_colours(
    mode: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"large.{suffix}"
    red_over_blue().resize(LARGE, Image.Resampling.NEAREST).convert(mode).save(path)
    frame = read_picture(path).data[0]
    high, wide = frame.shape[:2]
    assert high * wide <= picture_module.LARGE_PIXELS / 2
    assert min(high, wide) >= 1000
    assert wide / high == pytest.approx(1.1, abs=0.01)
    np.testing.assert_allclose(frame[high // 2, wide // 8], [255, 0, 0], atol=12)
    np.testing.assert_allclose(frame[high // 2, -wide // 8], [0, 0, 255], atol=12)


@pytest.mark.parametrize("mode", ["1", "L", "I;16"])
def test_large_greys_keep_dark_and_bright(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    values = np.zeros(LARGE[::-1], np.uint16 if mode == "I;16" else np.uint8)
    values[:, 2200:] = 50_000 if mode == "I;16" else 255
    image = Image.fromarray(values)
    (image.convert("1") if mode == "1" else image).save(path)
    frame = read_picture(path).data[0]
    assert frame.shape[0] < LARGE[1]
    assert frame[100, 100].tolist() == [0, 0, 0]
    assert frame[100, -100].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_a_large_picture_is_turned_upright(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"large.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = 6
    red_over_blue().resize(LARGE, Image.Resampling.NEAREST).save(path, exif=exif)
    frame = read_picture(path).data[0]
    assert frame.shape[0] > frame.shape[1]
    np.testing.assert_allclose(frame[100, 100], [255, 0, 0], atol=12)


def test_a_large_panorama_keeps_its_short_side(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("L", (30_000, 700)).save(path)
    assert read_picture(path).data.shape == (1, 700, 30_000, 3)


def test_transparency_of_a_large_picture_lies_over_grey(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("RGBA", LARGE, (0, 0, 0, 0)).save(path)
    assert (read_picture(path).data == 128).all()
    Image.new("L", LARGE, 7).save(path, transparency=7)
    assert (read_picture(path).data == 128).all()
