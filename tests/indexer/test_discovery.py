"""Which files a walk finds, in which order, and which it skips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vidseek.core.errors import PathNotFoundError
from vidseek.indexer.discovery import discover

MPEG_TS_PACKET = b"\x47" + b"\xff" * 187


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(root: Path, **options) -> list[str]:
    return [os.path.relpath(file.path, root) for file in discover([root], **options).files]


def test_videos_are_found_by_suffix_in_order_of_name(tmp_path):
    for name in ["b.mp4", "a.MKV", "c/z.gif", "c/a.webm", "notes.txt", "captions.json", "d.jpg"]:
        touch(tmp_path / name)
    assert names(tmp_path) == ["a.MKV", "b.mp4", "c/a.webm", "c/z.gif"]


def test_a_file_given_by_name_is_tried_with_any_suffix(tmp_path):
    file = touch(tmp_path / ".recording")
    assert [found.path for found in discover([file]).files] == [file]


def test_size_and_time_are_those_of_the_file(tmp_path):
    file = touch(tmp_path / "a.mp4", b"12345")
    os.utime(file, ns=(1, 1_700_000_000_123_456_789))
    (found,) = discover([tmp_path]).files
    assert (found.size_bytes, found.modified_ns) == (5, file.stat().st_mtime_ns)


def test_hidden_files_folders_and_system_folders_are_skipped(tmp_path):
    for name in ["a.mp4", ".b.mp4", ".cache/c.mp4", "$RECYCLE.BIN/d.mp4", "lost+found/e.mp4"]:
        touch(tmp_path / name)
    assert names(tmp_path) == ["a.mp4"]
    found = discover([tmp_path])
    assert (found.hidden, found.links) == (4, 0)


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("b.mp4", ["raw/a.mp4", "raw/deep/c.mov"]),
        ("*.mov", ["b.mp4", "raw/a.mp4", "raw/b.mp4"]),
        ("*.MOV", ["b.mp4", "raw/a.mp4", "raw/b.mp4"]),
        ("raw", ["b.mp4"]),
        ("raw/deep", ["b.mp4", "raw/a.mp4", "raw/b.mp4"]),
        ("raw/*.mp4", ["b.mp4", "raw/deep/c.mov"]),
        ("*/deep/*", ["b.mp4", "raw/a.mp4", "raw/b.mp4"]),
    ],
)
def test_excluded_names_and_paths_are_left_out(tmp_path, glob, left):
    for name in ["b.mp4", "raw/a.mp4", "raw/b.mp4", "raw/deep/c.mov"]:
        touch(tmp_path / name)
    assert names(tmp_path, exclude=[glob]) == left


def test_an_absolute_pattern_excludes(tmp_path):
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "b/a.mp4")
    assert names(tmp_path, exclude=[f"{tmp_path}/b/*"]) == ["a.mp4"]


def test_links_are_followed_only_when_asked_and_never_in_circles(tmp_path):
    touch(tmp_path / "real/a.mp4")
    touch(tmp_path / "outside/b.mp4")
    root = tmp_path / "real"
    (root / "circle").symlink_to(root)
    (root / "elsewhere").symlink_to(tmp_path / "outside")
    (root / "link.mp4").symlink_to(root / "a.mp4")
    (root / "nowhere.mp4").symlink_to(tmp_path / "nothing")
    (root / "itself.mp4").symlink_to(root / "itself.mp4")
    assert names(root) == ["a.mp4"]
    assert discover([root]).links == 5
    assert names(root, follow_symlinks=True) == ["a.mp4", "link.mp4", "elsewhere/b.mp4"]


def test_a_folder_reached_twice_is_walked_under_its_real_name(tmp_path):
    touch(tmp_path / "z/a.mp4")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert names(tmp_path, follow_symlinks=True) == ["z/a.mp4"]


def test_a_link_given_by_name_is_followed(tmp_path):
    touch(tmp_path / "real/a.mp4")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    assert [file.path for file in discover([link]).files] == [link / "a.mp4"]


def test_overlapping_paths_give_every_file_once(tmp_path):
    file = touch(tmp_path / "b/a.mp4")
    found = discover([tmp_path / "b", tmp_path, file, tmp_path / "b" / ".." / "b"])
    assert [found.path for found in found.files] == [file]


def test_a_missing_path_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(PathNotFoundError, match="nowhere does not exist"):
        discover([tmp_path, tmp_path / "nowhere"])


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_in_any_alphabet_and_undecodable_ones_are_found(tmp_path):
    readable = ['naïve – 视频 "quoted" #1.mp4', "עברית.mkv", "new\nline.mp4", "%41*?[x].mp4"]
    for name in readable:
        touch(tmp_path / name)
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError:
        raw = b""  # a file system that takes UTF-8 only
    found = {os.fsencode(file.path) for file in discover([tmp_path]).files}
    expected = {os.fsencode(tmp_path / name) for name in readable} | ({raw} if raw else set())
    assert found == expected


def test_typescript_is_no_transport_stream(tmp_path):
    touch(tmp_path / "module.ts", "export const größe = 1;\n".encode() * 100)
    touch(tmp_path / "stream.ts", MPEG_TS_PACKET * 10)
    touch(tmp_path / "recording.mts", b"\0\0\0\0" + MPEG_TS_PACKET * 10)
    assert names(tmp_path) == ["recording.mts", "stream.ts"]


def test_the_library_itself_is_not_walked(tmp_path):
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "library/thumbnails/x.gif")
    assert names(tmp_path, skip_folder=tmp_path / "library") == ["a.mp4"]


def test_pipes_are_reported_by_name_and_skipped_in_folders(tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    assert names(tmp_path) == []
    found = discover([pipe])
    assert found.files == ()
    assert [(problem.path, problem.reason) for problem in found.problems] == [
        (pipe, "not a regular file")
    ]


def test_a_folder_that_cannot_be_listed_is_reported_and_the_walk_goes_on(tmp_path, monkeypatch):
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "locked/b.mp4")
    touch(tmp_path / "z.mp4")
    listing = os.scandir

    def deny(path):
        # Root may read everything: permissions cannot be taken away from a test that is root.
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", deny)
    found = discover([tmp_path])
    assert [file.path.name for file in found.files] == ["a.mp4", "z.mp4"]
    assert [(problem.path.name, problem.reason) for problem in found.problems] == [
        ("locked", "permission denied")
    ]


def test_a_deep_tree_is_walked(tmp_path):
    folder = tmp_path
    for _ in range(300):
        folder = folder / "d"
    touch(folder / "a.mp4")
    assert len(discover([tmp_path]).files) == 1


def test_unknown_suffixes_are_tried_by_content_and_the_rest_is_counted(tmp_path):
    touch(tmp_path / "camera.xyz", b"\x00\x00\x00\x18ftypmp42")
    touch(tmp_path / "no_suffix", b"GIF89a")
    touch(tmp_path / "still.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(40))
    touch(tmp_path / "moving.webp", b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02" + bytes(40))
    touch(tmp_path / "a.JPG")
    touch(tmp_path / "b.jpg")
    touch(tmp_path / "deep/notes.xyz", b"words")
    touch(tmp_path / "types.ts", b"export const a = 1;")
    touch(tmp_path / "list.m3u8", b"#EXTM3U")
    touch(tmp_path / "Makefile", b"all:")
    found = discover([tmp_path])
    names = [os.path.relpath(file.path, tmp_path) for file in found.files]
    assert names == ["camera.xyz", "moving.webp", "no_suffix"]
    assert dict(found.skipped) == {
        ".jpg": 2,
        ".webp": 1,
        ".xyz": 1,
        ".ts": 1,
        ".m3u8": 1,
        "": 1,
    }


def test_an_unreadable_folder_is_logged_by_its_name(tmp_path, monkeypatch, caplog):
    (tmp_path / "caf\u00e9").mkdir()
    listing = os.scandir

    def deny(path):
        if os.fspath(path).endswith("caf\u00e9"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", deny)
    discover([tmp_path])
    assert str(tmp_path / "caf\u00e9") in caplog.text
    assert "b'" not in caplog.text
