from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Answer, Run, invoke_vidseek, run_vidseek

import vidseek as api
from vidseek.cli.exit_codes import (
    EXIT_DISK,
    EXIT_ERROR,
    EXIT_INTERNAL,
    EXIT_LOCKED,
    EXIT_NOT_FOUND,
    EXIT_USAGE,
)


def one_line(answer: Answer) -> str:
    """The single line of the error; stdout is empty and there is no traceback."""
    assert answer.stdout == ""
    lines = answer.stderr.splitlines()
    assert len(lines) == 1, answer.stderr
    assert lines[0].startswith("vidseek: ")
    return lines[0]


def test_version() -> None:
    answer = run_vidseek(["--version"])
    assert (answer.returncode, answer.stdout) == (0, f"vidseek {api.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x"],
        ["similar", "x.mp4"],
        ["list"],
        ["info", "x.mp4"],
        ["failed"],
        ["remove", "x"],
        ["relocate", "a", "b"],
    ],
)
@pytest.mark.parametrize("json_wanted", [False, True])
def test_without_a_library_every_command_says_so(
    tmp_path: Path, arguments: list[str], json_wanted: bool
) -> None:
    folder = tmp_path / "none"
    options = ["--json"] if json_wanted else []
    answer = invoke_vidseek([*arguments, *options], library=folder)
    assert answer.returncode == EXIT_NOT_FOUND
    assert str(folder) in answer.stderr
    if json_wanted:
        error = json.loads(answer.stdout)
        assert (error["code"], error["path"]) == ("not_a_library", str(folder))
    else:
        assert answer.stdout == ""
    assert not folder.exists()


def test_a_folder_that_is_something_else_is_left_alone(
    tmp_path: Path, footage_master: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("important")
    for arguments in (["list"], ["search", "x"], ["index", footage_master]):
        answer = invoke_vidseek([*arguments, "--library", tmp_path])
        assert answer.returncode == EXIT_NOT_FOUND
        assert "library" in one_line(answer)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_indexing_a_mistyped_path_makes_no_library(tmp_path: Path) -> None:
    answer = invoke_vidseek(["index", tmp_path / "mistyped"], library=tmp_path / "library")
    assert answer.returncode == EXIT_NOT_FOUND
    assert str(tmp_path / "mistyped") in one_line(answer)
    assert not (tmp_path / "library").exists()


def test_a_path_that_is_missing_is_an_error(vidseek: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for arguments in (["index", missing], ["similar", missing], ["info", missing]):
        answer = vidseek(*arguments)
        assert answer.returncode == EXIT_NOT_FOUND
        assert str(missing) in one_line(answer)


def test_removing_or_relocating_nothing_is_an_error(vidseek: Run, tmp_path: Path) -> None:
    assert vidseek("remove", tmp_path / "nothing").returncode == EXIT_NOT_FOUND
    assert vidseek("relocate", tmp_path / "nothing", tmp_path).returncode == EXIT_NOT_FOUND


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", ""],
        ["search", "   \t "],
        ["search", "x", "-k", "0"],
        ["search", "x", "-k", "-3"],
        ["search", "x", "--per-video", "0"],
        ["search", "x", "--min-duration", "long"],
        ["search", "x", "--min-duration", "9", "--max-duration", "8"],
        ["search", "x", "--after", "yesterday"],
        ["search", "x", "--in", ""],
        ["search"],
        ["search", "x", "--colour", "red"],
        ["similar", "a.mp4@9-3"],
        ["index"],
        ["index", ".", "--sampling", "slow"],
        ["index", ".", "--sampling", "dense", "--every", "0"],
        ["index", ".", "--sampling", "dense", "--every", "nan"],
        ["index", ".", "--every", "2"],
        ["index", ".", "--workers", "0"],
        ["frobnicate"],
    ],
)
def test_wrong_usage_is_exit_code_2(library: Path, arguments: list[str]) -> None:
    answer = invoke_vidseek(arguments, library=library)
    assert answer.returncode == 2, answer
    assert answer.stdout == ""
    assert answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "text", ["🐈", "ネコ кот قطة", "'; DROP TABLE videos; --", "a\x00b", "%s{}"]
)
def test_any_text_is_a_query(library: Path, text: str) -> None:
    answer = invoke_vidseek(["search", text, "--json"], library=library)
    assert answer.returncode == 0, answer
    assert json.loads(answer.stdout)


def test_ten_thousand_characters_are_cut_with_a_warning(vidseek: Run) -> None:
    answer = vidseek("search", "a cat " * 1700, "--json")
    assert answer.returncode == 0
    assert Path(json.loads(answer.stdout)[0]["path"]).name == "cat.mp4"
    (warning,) = answer.stderr.splitlines()
    assert "the query is too long" in warning


def test_a_million_hits_are_as_many_as_there_are(vidseek: Run) -> None:
    some = json.loads(vidseek("search", "a cat", "-k", "1000000", "--json").stdout)
    assert 3 <= len(some) <= 10


def test_an_unreadable_query_file_is_one_line(vidseek: Run, footage_master: Path) -> None:
    answer = vidseek("similar", footage_master / "notes.mp4")
    assert answer.returncode == 1
    assert "notes.mp4" in one_line(answer)


def test_a_part_outside_of_the_video_is_refused(vidseek: Run, footage_master: Path) -> None:
    answer = vidseek("similar", f"{footage_master}/cat.mp4@100-200")
    assert answer.returncode in (1, 2)
    one_line(answer)


def test_an_unknown_model_is_one_line(tmp_path: Path, footage_master: Path) -> None:
    arguments = ["index", footage_master, "--model", "no-such-model"]
    answer = invoke_vidseek(arguments, library=tmp_path / "library")
    assert answer.returncode == EXIT_NOT_FOUND
    assert "no-such-model" in one_line(answer)
    assert not (tmp_path / "library").exists()


def test_a_damaged_database_is_said_and_never_a_traceback(vidseek: Run, library: Path) -> None:
    for file in library.glob("library.db-*"):
        file.unlink()
    (library / "library.db").write_bytes(b"no database at all" * 500)
    for command in (["list"], ["search", "a cat"]):
        answer = vidseek(*command)
        assert answer.returncode == EXIT_DISK
        assert str(library) in one_line(answer)
    report = vidseek("doctor", "--json")
    assert report.returncode == 1
    assert json.loads(report.stdout)["error"]


def test_a_library_locked_by_another_writer_is_said(
    vidseek: Run, library: Path, footage_master: Path
) -> None:
    hold = (
        "import sys, vidseek.storage.store as s, pathlib\n"
        "with s.LibraryStore.open(pathlib.Path(sys.argv[1])).lease():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, library],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        answer = vidseek("index", footage_master)
        assert answer.returncode == EXIT_LOCKED
        assert str(holder.pid) in one_line(answer)
        assert vidseek("search", "a cat", "--json").returncode == 0
        holder.communicate("")


def obey_permissions() -> None:
    """Make the new process obey file permissions even if it runs as root."""
    pr_capbset_drop, cap_dac_override, cap_dac_read_search = 24, 1, 2
    for capability in (cap_dac_override, cap_dac_read_search):
        ctypes.CDLL(None).prctl(pr_capbset_drop, capability, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux capabilities")
def test_a_read_only_library_is_searched_and_not_written(
    library: Path, footage_master: Path
) -> None:
    for path in [*library.rglob("*"), library]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    found = run_vidseek(["search", "a cat", "--json"], library=library, preexec_fn=obey_permissions)
    assert (found.returncode, found.stderr) == (0, "")
    assert len(json.loads(found.stdout)) >= 3
    for command in (["remove", footage_master / "cat.mp4"], ["index", footage_master]):
        refused = run_vidseek(command, library=library, preexec_fn=obey_permissions)
        assert refused.returncode == EXIT_DISK
        assert str(library) in one_line(refused)


def test_a_broken_pipe_is_quiet(library: Path) -> None:
    command = f"'{sys.executable}' -m vidseek.cli --library '{library}' list --json | head -c 1"
    answer = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.stdout == "["
    assert answer.stderr == ""


def test_an_unexpected_fault_is_short_and_debug_shows_the_traceback(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("vidseek.library.Library.videos", fail)
    short = invoke_vidseek(["list"], library=library)
    assert short.returncode == EXIT_INTERNAL
    assert "a fault of ours" in short.stderr
    assert "--debug" in short.stderr
    assert "Traceback" not in short.stderr
    long = invoke_vidseek(["--debug", "list"], library=library)
    assert long.returncode == EXIT_INTERNAL
    assert "Traceback" in long.stderr


def error_document(answer: Answer) -> dict[str, str | None]:
    """The error that a command with --json wrote to stdout."""
    document: dict[str, str | None] = json.loads(answer.stdout)
    assert list(document) == ["code", "message", "hint", "path"]
    assert document["message"]
    return document


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["search", "x", "-k", "many"], EXIT_USAGE, "usage"),
        (["search"], EXIT_USAGE, "usage"),
        (["frobnicate"], EXIT_USAGE, "usage"),
        (["list", "--colour"], EXIT_USAGE, "usage"),
        (["search", "x", "--min-duration", "1:99"], EXIT_USAGE, "usage"),
        (["search", ""], EXIT_USAGE, "bad_query"),
        (["check", "/nowhere.mp4"], EXIT_NOT_FOUND, "path_not_found"),
        (["search", "x", "--model", "no-such-model"], EXIT_NOT_FOUND, "unknown_encoder"),
        (["calibrate", "--captions", "/nowhere.jsonl"], EXIT_NOT_FOUND, "path_not_found"),
        (["relocate", "/nowhere", "/"], EXIT_NOT_FOUND, "path_not_found"),
        (["duplicates", "--plot", "/nowhere/plot.png"], EXIT_NOT_FOUND, "path_not_found"),
    ],
)
def test_with_json_an_error_is_a_document_on_stdout(
    vidseek: Run, arguments: list[str], exit_code: int, code: str
) -> None:
    answer = vidseek(*arguments, "--json")
    assert answer.returncode == exit_code, answer
    error = error_document(answer)
    assert error["code"] == code
    named = next((argument for argument in arguments if argument.startswith("/")), None)
    assert error["path"] == (named if exit_code == EXIT_NOT_FOUND else None)


def test_the_error_document_of_a_file_names_it_and_the_next_step(
    vidseek: Run, footage_master: Path
) -> None:
    notes = footage_master / "notes.mp4"
    answer = vidseek("check", notes, "--json")
    assert answer.returncode == EXIT_ERROR
    error = error_document(answer)
    assert (error["code"], error["path"]) == ("not_a_video", str(notes))
    answer = vidseek("search", "x", "--model", "hf:someone/something", "--json")
    assert "vidseek model add hf:someone/something" in (error_document(answer)["hint"] or "")


def test_json_after_the_end_of_options_is_no_option(vidseek: Run) -> None:
    answer = vidseek("info", "--", "--json")
    assert (answer.returncode, answer.stdout) == (EXIT_NOT_FOUND, "")


def test_an_internal_fault_is_a_document_too(vidseek: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("vidseek.library.Library.videos", fail)
    answer = vidseek("list", "--json")
    assert answer.returncode == EXIT_INTERNAL
    assert error_document(answer)["code"] == "internal"


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux capabilities")
def test_a_file_without_permission_is_unreadable(
    library: Path, footage_master: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes((footage_master / "cat.mp4").read_bytes())
    secret.chmod(0)
    for command in ("check", "similar"):
        answer = run_vidseek(
            [command, secret, "--json"], library=library, preexec_fn=obey_permissions
        )
        assert answer.returncode == EXIT_ERROR, answer
        error = error_document(answer)
        assert (error["code"], error["path"]) == ("unreadable_video", str(secret))


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "x", "-k", "many"],
        ["search", "x", "--per-video", "1.5"],
        ["search", "x", "--min-height", "tall"],
        ["index", ".", "--workers", "0"],
        ["index", ".", "--sampling", "slow"],
        ["index", ".", "--sampling", "dense", "--every", "nan"],
        ["check", "x.mp4", "--min-score", "7"],
        ["check", "x.mp4", "--threshold", "firm"],
        ["check", "x.mp4", "--timeout", "0"],
        ["train", "x.jsonl", "--out", "model", "--epochs", "few"],
    ],
)
def test_a_wrong_value_is_told_in_one_line_that_names_the_option(
    library: Path, arguments: list[str]
) -> None:
    answer = invoke_vidseek(arguments, library=library)
    assert answer.returncode == EXIT_USAGE
    line = one_line(answer)
    option = [argument for argument in arguments if argument.startswith("-")][-1]
    assert option in line
    assert "Input should" not in line
