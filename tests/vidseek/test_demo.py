from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from cli_process import invoke_vidseek
from system_calls import Traced, needs_strace, run_traced

from vidseek.demo import clips as demo_clips

pytestmark = pytest.mark.timeout(1000)


@pytest.fixture(scope="module")
def traced_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Traced | None]:
    """A first run, under strace where it is installed, with an empty home."""
    folder = tmp_path_factory.mktemp("demo")
    home, temporary = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("temporary")
    if shutil.which("strace") is None:
        return folder, run_demo(folder), None
    # Without CI: there, other packages report nothing.
    passed_on = {
        name: text
        for name, text in os.environ.items()
        if name != "CI" and not name.startswith("XDG_")
    }
    traced = run_traced(
        [sys.executable, "-m", "vidseek.demo"],
        log=home.with_name("demo.strace"),
        cwd=folder,
        env={
            **passed_on,
            "NO_COLOR": "1",
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert traced.returncode == 0, traced.stdout + traced.stderr
    assert traced.written_outside(folder, temporary) == set()
    assert list(home.iterdir()) == list(temporary.iterdir()) == []
    return folder, traced.stdout, traced


@pytest.fixture(scope="module")
def first_run(traced_run: tuple[Path, str, Traced | None]) -> tuple[Path, str]:
    folder, output, _ = traced_run
    return folder, output


def run_demo(folder: Path, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vidseek.demo", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_strace
def test_the_demo_reaches_no_host(traced_run: tuple[Path, str, Traced | None]) -> None:
    _, _, traced = traced_run
    assert traced is not None
    assert traced.sockets == ()
    assert traced.lookups == ()


def test_at_least_four_of_six_text_queries_find_their_photograph_first(
    first_run: tuple[Path, str],
) -> None:
    _, output = first_run
    found = re.search(r"(\d) of 6 right at rank 1", output)
    assert found, output
    assert int(found[1]) >= 4
    assert output.count("right\n") >= int(found[1])


def test_picture_and_video_queries_find_their_photograph_first(
    first_run: tuple[Path, str],
) -> None:
    _, output = first_run
    by_example = output.partition("4. Searching by a picture")[2].partition("5. Checking")[0]
    verdicts = re.findall(r"(right|wrong)$", by_example, re.MULTILINE)
    assert verdicts == ["right", "right"]


def test_a_planted_copy_and_a_part_are_found_and_a_new_film_is_new(
    first_run: tuple[Path, str],
) -> None:
    _, output = first_run
    checked = output.partition("5. Checking uploads")[2].partition("6. Labels")[0]
    verdicts = re.findall(
        r"(duplicate|partial|contains|new).* (right|wrong)$", checked, re.MULTILINE
    )
    assert [answer for _, answer in verdicts] == ["right"] * 3
    assert [kind for kind, _ in verdicts] in (
        ["duplicate", "partial", "new"],
        ["duplicate", "contains", "new"],
    )


def test_labels_a_summary_and_a_sequence_are_shown(first_run: tuple[Path, str]) -> None:
    _, output = first_run
    lines = output.partition("6. Labels")[2].partition("\n\n")[0].splitlines()[1:]
    assert len(lines) <= 10
    assert re.search(r"labels of whiskers\.mp4 +a cat \d+%", lines[0])
    assert re.search(r"summary of underfoot\.mp4 +key frames at \S+, \S+, \S+$", lines[2])
    assert re.search(r"odds-and-ends\.mp4: 0:04-0:08, 0:08-0:12$", output, re.MULTILINE)


def test_the_contact_sheet_has_the_hits_with_their_pictures(first_run: tuple[Path, str]) -> None:
    folder, output = first_run
    sheet = Path("demo-library/contact-sheet.html")
    assert str(sheet) in output
    page = (folder / sheet).read_text(encoding="utf-8")
    assert page.count("<section>") == 8
    assert page.count("data:image/jpeg;base64,") >= 8 * 3 + 2
    assert "no picture" not in page


def test_a_second_run_makes_and_decodes_nothing(first_run: tuple[Path, str]) -> None:
    folder, _ = first_run
    before = {path: path.stat().st_mtime_ns for path in folder.glob("demo-videos/**/*")}
    output = run_demo(folder)
    assert "12 videos unchanged: nothing to do" in output
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("demo-videos/**/*")}


def test_the_demo_library_is_a_library_like_any(first_run: tuple[Path, str]) -> None:
    folder, _ = first_run
    answer = invoke_vidseek(["list", "--json"], library=folder / "demo-library")
    assert len(json.loads(answer.stdout)) == 12


@pytest.mark.long
def test_on_a_folder_of_ones_own(first_run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = first_run
    own = tmp_path / "own"
    own.mkdir()
    for name in ("moon.mp4", "garage.mp4"):
        shutil.copy(folder / "demo-videos" / name, own)
    before = sorted(own.rglob("*"))
    output = run_demo(tmp_path, "--videos", own)
    assert "2 videos" in output
    assert "no duplicates" in output
    (sheet,) = (tmp_path / "demo-library-own").glob("own-*/contact-sheet.html")
    assert sheet.is_file()
    assert sorted(own.rglob("*")) == before  # nothing was written there


def test_copies_in_a_folder_of_ones_own_are_shown(
    first_run: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = first_run
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(folder / "demo-videos" / "odds-and-ends.mp4", own / "film.mp4")
    shutil.copy(folder / "demo-videos" / "queries" / "reupload.mp4", own / "again.mp4")
    output = run_demo(tmp_path, "--videos", own)
    copies = output.partition("5. Looking for duplicates")[2].splitlines()
    assert re.fullmatch(r"keep +\S*film\.mp4 +\(.+\)", copies[1])
    assert re.fullmatch(r" +\S*again\.mp4 +\(\d+% of it\)", copies[2])
    assert copies[3].endswith("Nothing was deleted.")


def test_a_folder_without_videos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        done = subprocess.run(
            [sys.executable, "-m", "vidseek.demo", "--videos", folder],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("vidseek: ")
        assert "Traceback" not in done.stderr


def test_clips_show_what_their_scenes_say(tmp_path: Path) -> None:
    scenes = [demo_clips.Scene("coffee.png", 1), demo_clips.Scene("page.png", 0.5)]
    path = tmp_path / "clip.mp4"
    demo_clips.make_clip(path, scenes)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert (stream.width, stream.height) == (640, 360)
    assert len(frames) == 30
    # The coffee is red and brown, the page grey.
    redness = [float(frame[..., 0].mean() - frame[..., 2].mean()) for frame in frames]
    assert min(redness[:20]) > 40
    assert max(redness[20:]) < 10
    assert list(tmp_path.iterdir()) == [path]


def test_the_truth_about_clips_follows_from_their_scenes() -> None:
    assert demo_clips.photograph_at("underfoot.mp4", 0.0) == "gravel.png"
    assert demo_clips.photograph_at("underfoot.mp4", 4.0) == "grass.png"
    assert demo_clips.photograph_at("underfoot.mp4", 11.9) == "brick.png"
    assert demo_clips.photograph_at("underfoot.mp4", 12.0) is None
    assert demo_clips.photograph_at("unknown.mp4", 0.0) is None
