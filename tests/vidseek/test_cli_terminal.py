"""What a person sees: the commands on a pseudo-terminal of 80 columns."""

from __future__ import annotations

import re
from pathlib import Path

from cli_terminal import ESCAPE, WIDTH, on_terminal


def test_hits_are_laid_out_for_reading(library: Path) -> None:
    code, screen = on_terminal(["search", "a red motorcycle", "--all"], library)
    assert code == 0
    assert "\x1b[" in screen  # colours
    lines = ESCAPE.sub("", screen).splitlines()
    first = re.fullmatch(r"  1 +(\S+)  (0:0\d-0:0\d)  (.*)", lines[0])
    assert first, lines[0]
    assert first[3].endswith("errands.mp4")
    assert re.fullmatch(r" {5}\S.*\.jpg", lines[1])
    assert all(len(line) <= WIDTH for line in lines[::2])


def test_no_color_is_respected(library: Path) -> None:
    _, screen = on_terminal(["search", "a cat", "--all"], library, NO_COLOR="1")
    assert "cat.mp4" in screen
    assert "\x1b" not in screen


def test_no_confident_match_is_said_to_a_person(library: Path) -> None:
    code, screen = on_terminal(["search", "a cat", "--min-height", "9999"], library)
    assert code == 0
    assert ESCAPE.sub("", screen).strip() == "no confident match: no video passes the filters"


def test_list_has_one_line_a_video(library: Path) -> None:
    code, screen = on_terminal(["list"], library)
    assert code == 0
    lines = ESCAPE.sub("", screen).splitlines()
    assert len(lines) == 5
    assert any(line.endswith("notes.mp4  (failed)") for line in lines)
    assert lines[-1] == "4 videos, 11.0 s"
    assert all(len(line) <= WIDTH for line in lines)


def test_indexing_shows_progress_and_cleans_up_after_it(
    tmp_path: Path, footage_master: Path
) -> None:
    code, screen = on_terminal(["index", footage_master], tmp_path / "library")
    assert code == 0
    assert "/4 files" in screen
    assert screen.rfind("\x1b[?25h") > screen.rfind("\x1b[?25l")  # the cursor is back
    end = ESCAPE.sub("", screen[screen.rfind("\x1b[?25h") :])
    assert "indexed 3  unchanged 0  moved 0  missing 0  failed 1" in end
    assert "notes.mp4" in end


def test_remove_asks_a_person(library: Path, footage_master: Path) -> None:
    code, screen = on_terminal(["remove", footage_master], library, stdin="n\n")
    assert code == 1
    assert "Remove 4 videos from the library?" in screen
    code, screen = on_terminal(["remove", footage_master], library, stdin="y\n")
    assert code == 0
    assert "removed 4 videos" in screen
