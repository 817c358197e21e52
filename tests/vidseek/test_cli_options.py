from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import typer

from vidseek.cli.values import absolute_pattern, parse_date, parse_moment, parse_seconds
from vidseek.core.types import TimeSpan


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90.5", 90.5), ("1:30", 90), ("1:02:03.5", 3723.5), (" 7 ", 7)],
)
def test_times_are_read_as_seconds_or_as_on_a_player(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "1:2:3:4", "ten", "1e3", "nan", "1:", "٣", "1:99", "1:60:00"]
)
def test_what_is_no_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_seconds(text)


def test_dates_are_local_days_or_times() -> None:
    assert parse_date("2026-01-31") == datetime(2026, 1, 31)
    assert parse_date("2026-01-31T18:00") == datetime(2026, 1, 31, 18)
    with pytest.raises(typer.BadParameter, match="2026-01-31"):
        parse_date("yesterday")


def test_a_moment_is_a_file_and_maybe_a_part_of_it(tmp_path: Path) -> None:
    assert parse_moment("a.mp4") == (Path("a.mp4"), None)
    assert parse_moment("a.mp4@1:30-1:45") == (Path("a.mp4"), TimeSpan(90, 105))
    assert parse_moment("a@b.mp4@2-3.5") == (Path("a@b.mp4"), TimeSpan(2, 3.5))
    assert parse_moment("a@b.mp4") == (Path("a@b.mp4"), None)


def test_a_file_that_is_named_like_a_moment_is_that_file(tmp_path: Path) -> None:
    odd = tmp_path / "a.mp4@1-2"
    odd.touch()
    assert parse_moment(str(odd)) == (odd, None)
    assert parse_moment(f"{odd}@3-4") == (odd, TimeSpan(3, 4))


def test_a_moment_that_ends_before_it_starts_is_wrong_usage() -> None:
    with pytest.raises(typer.BadParameter, match="ends before"):
        parse_moment("a.mp4@5-2")


def test_patterns_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute_pattern("holiday") == str(tmp_path / "holiday")
    assert absolute_pattern("./holiday/../work") == str(tmp_path / "work")
    assert absolute_pattern("2024/*.mp4") == "*/2024/*.mp4"
    assert absolute_pattern("*.mp4") == "*.mp4"
    assert absolute_pattern("/films/*") == "/films/*"
    assert absolute_pattern("~/films/*") == "/home/me/films/*"
    assert absolute_pattern("") == ""  # refused by the search, with a message
