"""Files are hashed by their bytes; a file that cannot be read gives the reason."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from vidseek.indexer.discovery import FoundFile, discover
from vidseek.indexer.hashing import CHANGED, HashAhead, hash_found_file


def found(path: Path) -> FoundFile:
    return discover([path]).files[0]


def test_the_hash_is_the_sha256_of_the_content(tmp_path):
    content = os.urandom(3_000_001)
    (tmp_path / "a.mp4").write_bytes(content)
    hashed = hash_found_file(found(tmp_path / "a.mp4"))
    assert hashed.content_hash == hashlib.sha256(content).hexdigest()
    assert hashed.failure is None


def test_files_come_in_order_with_what_cannot_be_read_among_them(tmp_path):
    files = []
    for number in range(12):
        path = tmp_path / f"{number:02}.mp4"
        path.write_bytes(bytes([number]) * number * 1000)
        files.append(found(path))
    files[5].path.unlink()
    with HashAhead(files) as hashes:
        hashed = list(hashes)
    assert [one.path for one in hashed] == [file.path for file in files]
    assert [one.path.name for one in hashed if one.failure] == ["05.mp4"]
    assert hashed[5].has_vanished
    assert hashed[5].content_hash == ""


def test_size_and_time_are_those_at_the_time_of_reading(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    file = found(path)
    path.write_bytes(b"22")
    os.utime(path, ns=(1, 2_000_000_000))
    read = hash_found_file(file)
    assert (read.size_bytes, read.modified_ns) == (2, 2_000_000_000)


def test_a_file_that_grows_while_it_is_read_is_reported(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1" * 100)
    file = found(path)
    status = os.fstat
    calls = []

    def growing(descriptor):
        result = status(descriptor)
        if not calls:
            with path.open("ab") as writer:
                writer.write(b"2")
        calls.append(descriptor)
        return result

    monkeypatch.setattr(os, "fstat", growing)
    hashed = hash_found_file(file)
    assert hashed.failure == CHANGED
    assert hashed.content_hash == ""


def test_a_stopped_hash_gives_up(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1" * 5_000_000)
    stopped = threading.Event()
    stopped.set()
    assert hash_found_file(found(path), stopped).failure == "stopped"


def test_a_folder_in_place_of_a_file_is_a_reason_not_a_crash(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    file = found(path)
    path.unlink()
    path.mkdir()
    assert hash_found_file(file).failure == "is a directory"
