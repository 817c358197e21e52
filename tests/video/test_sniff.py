from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest
from videos import make_sound, make_video, picture, write_video

from vidseek.core.errors import Hint, NotAVideoError, UnreadableVideoError
from vidseek.video import open_video, sniff
from vidseek.video.sniff import is_unmistakable

FOUND_BY_NAME = {
    "a.mp4": ("mov", "h264"),
    "a.mov": ("mov", "h264"),
    "a.mkv": ("matroska", "h264"),
    "a.webm": ("matroska", "vp9"),
    "a.avi": ("avi", "mpeg4"),
    "a.ts": ("mpegts", "mpeg2"),
    "a.mpg": ("mpeg", "mpeg2"),
    "a.flv": ("flv", "h264"),
    "a.ogv": ("ogg", "vp9"),
    "a.gif": ("gif", "gif"),
    "a.wmv": ("asf", "mpeg4"),
    "a.mxf": ("mxf", "mpeg2"),
}


@pytest.mark.parametrize("name", FOUND_BY_NAME)
def test_every_container_of_the_list_is_known_by_its_bytes(name: str, tmp_path: Path) -> None:
    demuxer, codec = FOUND_BY_NAME[name]
    if name == "a.ogv":
        # No encoder here writes a codec that Ogg holds; the page header is what counts.
        path = tmp_path / name
        path.write_bytes(b"OggS\x00\x02" + bytes(100))
    else:
        path = make_video(tmp_path / name, [picture(1)], seconds_each=0.4, codec=codec)
    disguised = path.rename(tmp_path / "file.txt")
    assert sniff(disguised) == demuxer


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "playlist"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "playlist"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\n", "playlist"),
        (b'<?xml version="1.0"?><MPD profiles="urn:mpeg:dash:profile:full:2011">', "playlist"),
        (b"Just some words.\n" * 20, "text"),
        ("Слова и ещё слова, много слов. ".encode() * 400, "text"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "sound only"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP"),
        (struct.pack(">I", 24) + b"ftypheic" + bytes(64), "HEIF"),
        (b"PK\x03\x04" + bytes(100), "zip"),
        (bytes(5000), "zeros"),
        (bytes(range(256)) * 20, "not a supported video format"),
        (b"\x1a\x45\xdf\xa3" + b"\x00" * 64, "not a supported video format"),
    ],
)
def test_what_is_no_video_is_refused_with_one_line(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    with pytest.raises(NotAVideoError, match=reason) as caught:
        sniff(path)
    assert "\n" not in caught.value.reason
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", Hint("copy_again")),
        (bytes(5000), Hint("copy_again")),
        (bytes(range(256)) * 20, Hint("convert_video")),
        (b"Just some words.\n" * 20, None),
    ],
)
def test_the_next_step_is_named_where_there_is_one(
    content: bytes, hint: Hint | None, tmp_path: Path
) -> None:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(content)
    with pytest.raises(NotAVideoError) as caught:
        sniff(path)
    assert caught.value.hint == hint


@pytest.mark.parametrize("reader", ["pyav", pytest.param("decord", marks=pytest.mark.full)])
def test_a_playlist_named_mp4_opens_nothing_else(reader: str, tmp_path: Path) -> None:
    real = make_video(tmp_path / "real.ts", [picture(1)], seconds_each=1.0, codec="mpeg2")
    for text in (f"#EXTM3U\n#EXTINF:1,\n{real}\n", f"ffconcat version 1.0\nfile {real.name}\n"):
        path = tmp_path / "list.mp4"
        path.write_text(text)
        with pytest.raises(NotAVideoError):
            open_video(path, reader=reader)  # type: ignore[arg-type]


@pytest.mark.full
def test_a_file_that_is_two_things_at_once_is_kept_from_decord(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", [picture(1)] * 5, codec="mpeg4")
    assert is_unmistakable(path)
    with path.open("ab") as file:
        file.write(b"\n#EXTM3U\nhttp://example.org/\n")
    assert not is_unmistakable(path)
    with open_video(path, reader="decord") as video:
        assert video.name == "pyav"
        assert len(video.packets()) == 5


def test_folders_missing_files_and_pipes_are_refused(tmp_path: Path) -> None:
    import os

    with pytest.raises(UnreadableVideoError, match="no such file"):
        sniff(tmp_path / "missing.mp4")
    with pytest.raises(UnreadableVideoError, match="not a regular file"):
        sniff(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadableVideoError, match="not a regular file"):
        sniff(tmp_path / "pipe.mp4")


def test_sound_only_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="sound only"):
        open_video(make_sound(tmp_path / "song.m4a"))


def refer_to(path: Path, other: Path) -> None:
    """Make the track of a QuickTime file refer to data in another file."""
    data = path.read_bytes()
    name = str(other).encode()
    name += bytes(len(name) % 2)
    alias = bytes(10) + bytes(28) + bytes(12) + bytes(64) + bytes(16)
    alias += struct.pack(">hh", 1, 1) + bytes(16)
    alias += struct.pack(">hh", 2, len(name)) + name + struct.pack(">hh", -1, 0)
    entry = struct.pack(">I", 12 + len(alias)) + b"alis" + bytes(4) + alias
    at = data.index(b"url \x00\x00\x00\x01") - 4
    grown = bytearray(data[:at] + entry + data[at + 12 :])
    position = 0
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        position = data.index(kind, position)
        (size,) = struct.unpack(">I", data[position - 4 : position])
        grown[position - 4 : position] = struct.pack(">I", size + len(entry) - 12)
    path.write_bytes(grown)


def test_a_quicktime_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = make_video(tmp_path / "secret.mov", [picture(3)], seconds_each=1.0)
    path = make_video(tmp_path / "outer.mov", [picture(4)], seconds_each=1.0)
    refer_to(path, secret)
    # FFmpeg follows the link when asked to ...
    followed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), format="mov", container_options=followed) as container:
        packet = next(container.demux(video=0))
        assert bytes(packet) not in path.read_bytes()
        assert bytes(packet)[:200] in secret.read_bytes()
    # ... which nobody does here.
    with pytest.raises(UnreadableVideoError):
        open_video(path)
