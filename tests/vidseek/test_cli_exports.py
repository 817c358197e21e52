"""``export`` of hits, ``search --sheet``, ``open`` and ``oneshot`` on the command line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from cli_process import Run, invoke_vidseek

from vidseek.cli.exit_codes import EXIT_ERROR, EXIT_NOT_FOUND, EXIT_USAGE


def test_hits_are_exported_from_a_file_and_from_standard_input(
    vidseek: Run, tmp_path: Path
) -> None:
    hits = vidseek("search", "a cat", "--json").stdout
    (tmp_path / "hits.json").write_text(hits)
    out = tmp_path / "hits.fcpxml"
    answer = vidseek("export", tmp_path / "hits.json", "--out", out, "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["format"], report["moments"]) == ("fcpxml", len(json.loads(hits)))
    assert out.read_text().count("<asset-clip") == report["moments"]
    answer = vidseek("export", "--format", "csv", stdin=hits.encode())
    assert answer.stdout.splitlines()[0].startswith("number,name,path")
    answer = vidseek("export", "-", "--clips", tmp_path / "clips", "--exact", stdin=hits.encode())
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "clips").iterdir())) == report["moments"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], EXIT_USAGE),
        (["hits.edl"], EXIT_USAGE),
        (["--out", "hits.xyz"], EXIT_USAGE),
        (["--format", "csv", "--frames"], EXIT_USAGE),
        (["--format", "csv", "--handles", "1"], EXIT_USAGE),
        (["--format", "csv", "--json"], EXIT_USAGE),
        (["--format", "csv", "--exact"], EXIT_USAGE),
        (["nowhere.json", "--format", "csv"], EXIT_NOT_FOUND),
        (["-", "--format", "csv"], EXIT_ERROR),
    ],
)
def test_wrong_exports_are_refused(
    options: list[str], code: int, tmp_path: Path, library: Path
) -> None:
    answer = invoke_vidseek(["export", *options], library=library, stdin=b"[]", cwd=tmp_path)
    assert answer.returncode == code, answer.stderr
    assert list(tmp_path.glob("*.xyz")) == []


def test_a_search_writes_a_sheet(vidseek: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "hits.html"
    answer = vidseek("search", "<b>a cat</b>", "--all", "--sheet", sheet)
    assert answer.returncode == 0, answer.stderr
    page = sheet.read_text()
    assert "data:image/jpeg;base64," in page
    assert "<b>a cat</b>" not in page


def fake_program(folder: Path, name: str) -> Path:
    """A program on PATH that records its arguments, one a line."""
    record = folder / f"{name}.arguments"
    program = folder / name
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > "{record}.part"\nmv "{record}.part" "{record}"\n'
    )
    program.chmod(0o755)
    return record


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mpv", ["--start={start:.3f}", "--", "{path}"]),
        ("vlc", ["--start-time={start:.3f}", "{path}"]),
        ("xdg-open", ["{path}"]),
    ],
)
def test_open_plays_a_hit_of_the_last_search(
    name: str, arguments: list[str], vidseek: Run, tmp_path: Path, monkeypatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    record = fake_program(programs, name)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(
        "shutil.which", lambda each: str(programs / each) if (programs / each).exists() else None
    )
    assert vidseek("open", "1").returncode == EXIT_USAGE
    hits = json.loads(vidseek("search", "a cat", "--json").stdout)
    answer = vidseek("open", "2")
    assert answer.returncode == 0, answer.stderr
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    hit = hits[1]
    expected = [each.format(start=hit["start_seconds"], path=hit["path"]) for each in arguments]
    assert record.read_text().splitlines() == expected
    assert vidseek("open", "99").returncode == EXIT_USAGE


def test_oneshot_indexes_searches_and_cuts(footage_master: Path, tmp_path: Path) -> None:
    library, clips = tmp_path / "library", tmp_path / "clips"
    options = ["--clips", clips, "--library", library, "-k", "3", "--json"]
    answer = invoke_vidseek(["oneshot", footage_master / "kitchen", "a cup of coffee", *options])
    assert answer.returncode == 0, answer.stderr
    hits = json.loads(answer.stdout)
    assert {Path(hit["path"]).name for hit in hits} == {"red cup@1-2.mp4"}
    if any(hit["confidence"] and hit["confidence"] >= 0.5 for hit in hits):
        assert list(clips.iterdir())
    answer = invoke_vidseek(["open", "9", "--library", library])
    assert answer.returncode == EXIT_USAGE
