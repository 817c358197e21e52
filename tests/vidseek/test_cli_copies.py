"""`vidseek check` and `vidseek duplicates` on real films of photographs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_process import invoke_vidseek, run_vidseek
from cli_terminal import ESCAPE, on_terminal
from PIL import Image, ImageOps
from videos import make_video, write_video

from vidseek.cli.exit_codes import EXIT_COPY, EXIT_ERROR, EXIT_NOT_FOUND
from vidseek.demo import clips as demo_clips
from vidseek.demo.clips import FRAMES_PER_SECOND

MATCH_KEYS = [
    "path",
    "kind",
    "score",
    "query_start_seconds",
    "query_end_seconds",
    "library_start_seconds",
    "library_end_seconds",
    "speed",
    "mirrored",
]


def film(name: str, seconds: float) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Pictures of a camera that passes over a photograph."""
    scene = demo_clips.Scene(name, seconds, (0.1, 0.2, 0.7), (0.9, 0.7, 0.8))
    return [np.asarray(picture) for picture in demo_clips.film_scene(scene)]


def save(path: Path, frames: list[Any]) -> Path:
    return write_video(path, frames, frame_rate=FRAMES_PER_SECOND)


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of 8 to 10 seconds."""
    folder = tmp_path_factory.mktemp("gallery")
    for name, parts in (
        ("cat.mp4", ("chelsea.png", "coins.png")),
        ("rocket.mp4", ("rocket.jpg", "brick.png")),
        ("cup.mp4", ("coffee.png", "retina.jpg")),
        ("man.mp4", ("camera.png", "page.png")),
    ):
        save(folder / name, [frame for part in parts for frame in film(part, 4.5)])
    return folder


@pytest.fixture(scope="session")
def copies_master(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("copies") / "library"
    answer = run_vidseek(["index", gallery, "--json"], library=library)
    assert answer.returncode == 0, answer.stderr
    return library


Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(copies_master: Path) -> Check:
    def run(path: Path, *options: str) -> dict[str, Any]:
        answer = invoke_vidseek(["check", path, "--json", *options], library=copies_master)
        found: dict[str, Any] = json.loads(answer.stdout)
        assert answer.returncode == (0 if found["verdict"] == "new" else EXIT_COPY), answer.stderr
        return found

    return run


def test_the_same_bytes_are_exact(check: Check, gallery: Path, tmp_path: Path) -> None:
    again = Path(shutil.copy(gallery / "cat.mp4", tmp_path / "renamed.mp4"))
    found = check(again)
    assert found["verdict"] == "exact"
    assert [Path(one["path"]).name for one in found["matches"]] == ["cat.mp4"]
    assert list(found["matches"][0]) == MATCH_KEYS


def test_a_cropped_darkened_mirrored_copy_is_a_duplicate(check: Check, tmp_path: Path) -> None:
    frames = [
        np.asarray(ImageOps.mirror(Image.fromarray(frame).crop((60, 30, 600, 330)))) // 4 * 3
        for part in ("chelsea.png", "coins.png")
        for frame in film(part, 4.5)
    ]
    found = check(save(tmp_path / "copy.mp4", frames))
    assert found["verdict"] == "duplicate"
    first = found["matches"][0]
    assert Path(first["path"]).name == "cat.mp4"
    assert first["mirrored"]
    # Slow pans are alike from second to second.
    assert first["speed"] is None or first["speed"] == pytest.approx(1, abs=0.25)


def test_an_upside_down_mirrored_copy_is_reported_as_mirrored(check: Check, tmp_path: Path) -> None:
    frames = [
        np.ascontiguousarray(frame[::-1])
        for part in ("rocket.jpg", "brick.png")
        for frame in film(part, 4.5)
    ]
    first = check(save(tmp_path / "head.mp4", frames))["matches"][0]
    assert Path(first["path"]).name == "rocket.mp4"
    assert first["mirrored"], "turned by half, it is left for right"


def test_an_excerpt_in_another_film_is_partial_and_its_seconds_are_reported(
    check: Check, gallery: Path, tmp_path: Path
) -> None:
    rocket = [frame for part in ("rocket.jpg", "brick.png") for frame in film(part, 4.5)]
    rate = FRAMES_PER_SECOND
    frames = [*film("clock_motion.png", 4), *rocket[2 * rate : 7 * rate], *film("cell.png", 4)]
    found = check(save(tmp_path / "mixed.mp4", frames))
    assert found["verdict"] == "partial"
    (match,) = found["matches"]
    assert Path(match["path"]).name == "rocket.mp4"
    assert match["query_start_seconds"] == pytest.approx(4, abs=1)
    assert match["query_end_seconds"] == pytest.approx(9, abs=1)
    assert match["library_start_seconds"] == pytest.approx(2, abs=1)
    assert match["library_end_seconds"] == pytest.approx(7, abs=1)
    assert not match["mirrored"]


def test_a_person_sees_where_in_the_upload_the_match_lies(
    copies_master: Path, tmp_path: Path
) -> None:
    rate = FRAMES_PER_SECOND
    piece = film("chelsea.png", 4.5)[: 4 * rate]
    path = save(tmp_path / "mixed.mp4", [*film("clock_motion.png", 4), *piece])
    code, screen = on_terminal(["check", path], copies_master)
    assert code == EXIT_COPY
    heading, line = ESCAPE.sub("", screen).splitlines()[-2:]  # above: progress, erased by now
    assert heading.startswith("shares a part with ")
    assert heading.endswith("cat.mp4")
    seen = re.fullmatch(r"  (·+)(█+)(·*) 0:0\d-0:0\d shows 0:0\d-0:0\d.*  \(0\.\d\d\)", line)
    assert seen, line
    before, matched, after = (len(part) for part in seen.groups())
    assert before / (before + matched + after) == pytest.approx(0.5, abs=0.15)
    assert matched > after


def test_pieces_of_three_videos_are_three_matches(check: Check, tmp_path: Path) -> None:
    rate = FRAMES_PER_SECOND
    frames = [
        frame
        for name in ("chelsea.png", "rocket.jpg", "coffee.png")
        for frame in film(name, 4.5)[: 4 * rate]
    ]
    found = check(save(tmp_path / "mashup.mp4", frames))
    assert found["verdict"] == "partial"
    names = sorted(Path(one["path"]).name for one in found["matches"])
    assert names == ["cat.mp4", "cup.mp4", "rocket.mp4"]


def test_a_copy_of_a_copy_is_found(check: Check, tmp_path: Path) -> None:
    once = [
        np.asarray(Image.fromarray(frame).crop((40, 20, 620, 345)).resize((320, 180)))
        for part in ("coffee.png", "retina.jpg")
        for frame in film(part, 4.5)
    ]
    twice = [np.pad(frame, ((24, 24), (0, 0), (0, 0)))[:, 10:-10] for frame in once]
    found = check(save(tmp_path / "twice.mp4", twice))
    assert found["verdict"] == "duplicate"
    assert Path(found["matches"][0]["path"]).name == "cup.mp4"


@pytest.mark.parametrize("place", [0.5, 0.15])
def test_a_landscape_film_cut_to_portrait_is_a_copy(
    check: Check, tmp_path: Path, place: float
) -> None:
    frames = [frame for part in ("coffee.png", "retina.jpg") for frame in film(part, 4.5)]
    height, width = frames[0].shape[:2]
    wide = height * 9 // 32 * 2
    left = round(place * (width - wide))
    found = check(save(tmp_path / "short.mp4", [frame[:, left : left + wide] for frame in frames]))
    assert found["verdict"] in ("duplicate", "contained")
    assert Path(found["matches"][0]["path"]).name == "cup.mp4"
    other = [frame[:, left : left + wide] for frame in film("astronaut.png", 6)]
    assert check(save(tmp_path / "other.mp4", other))["verdict"] == "new"


def test_another_film_is_new_and_min_score_0_lists_the_candidates(
    check: Check, tmp_path: Path
) -> None:
    frames = [*film("motorcycle_left.png", 4), *film("astronaut.png", 4)]
    path = save(tmp_path / "new.mp4", frames)
    found = check(path)
    assert (found["verdict"], found["matches"]) == ("new", [])
    listed = check(path, "--min-score", "0")
    assert listed["verdict"] == "new", "what is listed on demand accuses nobody"
    assert all(0 <= one["score"] < 0.385 for one in listed["matches"])


@pytest.mark.parametrize("what", ["black", "one frame", "two seconds of a plain colour"])
def test_next_to_nothing_is_new_and_matches_no_dark_video(
    check: Check, copies_master: Path, tmp_path: Path, what: str
) -> None:
    black = np.zeros((96, 160, 3), np.uint8)
    if what == "black":
        path = make_video(tmp_path / "a.mp4", [black], seconds_each=6)
    elif what == "one frame":
        path = save(tmp_path / "a.mp4", film("astronaut.png", 1)[:1])
    else:
        path = make_video(tmp_path / "a.mp4", [black + 120], seconds_each=2)
    assert check(path)["verdict"] == "new"
    doubt = "only 1 frame" if what == "one frame" else "no frame could be compared"
    for options in ([], ["--json"]):
        assert doubt in invoke_vidseek(["check", path, *options], library=copies_master).stderr


def test_a_still_of_a_video_scores_less_than_an_excerpt(check: Check, tmp_path: Path) -> None:
    frames = film("rocket.jpg", 4.5)
    scores = []
    for name, shown in (("still.mp4", frames[30:31]), ("excerpt.mp4", frames[5:])):
        found = check(save(tmp_path / name, shown), "--min-score", "0")
        best = max(found["matches"], key=lambda one: one["score"])
        assert Path(best["path"]).name == "rocket.mp4"
        scores.append(best["score"])
    still, excerpt = scores
    assert 0 < still < 0.8 * excerpt


def test_what_cannot_be_read_ends_with_1_and_a_reason(copies_master: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    answer = invoke_vidseek(["check", broken], library=copies_master)
    assert answer.returncode == 1
    assert "broken.mp4" in answer.stderr
    # In a process of its own: what still runs when it ends must not abort it.
    for _ in range(3):
        answer = run_vidseek(["check", broken], library=copies_master)
        assert (answer.returncode, answer.stderr.count("\n")) == (1, 1), answer.stderr
    answer = invoke_vidseek(["check", "/dev/null"], library=copies_master)
    assert (answer.returncode, "/dev/null" in answer.stderr) == (EXIT_NOT_FOUND, True)
    answer = invoke_vidseek(["check", tmp_path / "missing.mp4"], library=copies_master)
    assert answer.returncode == EXIT_NOT_FOUND
    assert "missing.mp4" in answer.stderr


def test_a_person_sees_a_timeline_and_a_pipe_gets_columns(
    copies_master: Path, gallery: Path
) -> None:
    answer = invoke_vidseek(["check", gallery / "man.mp4"], library=copies_master)
    assert answer.returncode == EXIT_COPY
    path, kind, *numbers = answer.stdout.strip().split("\t")
    assert (Path(path).name, kind, len(numbers)) == ("man.mp4", "exact", 5)


def test_duplicates_of_a_library_are_grouped_and_drawn(
    copies_master: Path, gallery: Path, tmp_path: Path
) -> None:
    library = Path(shutil.copytree(copies_master, tmp_path / "library"))
    assert json.loads(invoke_vidseek(["duplicates", "--json"], library=library).stdout) == []
    small = [
        np.asarray(Image.fromarray(frame).resize((320, 180)))
        for part in ("chelsea.png", "coins.png")
        for frame in film(part, 4.5)
    ]
    more = tmp_path / "more"
    more.mkdir()
    save(more / "small-cat.mp4", small)
    save(more / "part-of-rocket.mp4", film("rocket.jpg", 4.5)[5:-5])
    assert invoke_vidseek(["index", more], library=library).returncode == 0
    plot = tmp_path / "groups.png"
    answer = invoke_vidseek(["duplicates", "--json", "--plot", plot], library=library)
    assert answer.returncode == 0, answer.stderr
    groups = {group["kind"]: group["members"] for group in json.loads(answer.stdout)}
    assert [(Path(one["path"]).name, one["keep"]) for one in groups["duplicate"]] == [
        ("cat.mp4", True),
        ("small-cat.mp4", False),
    ]
    assert [(Path(one["path"]).name, one["keep"]) for one in groups["contains"]] == [
        ("rocket.mp4", True),
        ("part-of-rocket.mp4", False),
    ]
    assert all(0.8 <= one["coverage"] <= 1 for some in groups.values() for one in some)
    with Image.open(plot) as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 4


def test_a_blurred_enlargement_is_not_the_copy_to_keep(tmp_path: Path) -> None:
    frames = film("chelsea.png", 3)
    sharp = save(tmp_path / "sharp.mp4", frames)
    pictures = [Image.fromarray(frame) for frame in frames]
    blurred = [
        np.asarray(picture.resize((80, 44)).resize((picture.width * 2, picture.height * 2)))
        for picture in pictures
    ]
    save(tmp_path / "enlarged.mp4", blurred)
    library = tmp_path / "library"
    run_vidseek(["index", tmp_path, "--json"], library=library)
    answer = invoke_vidseek(["duplicates", "--json"], library=library)
    (group,) = json.loads(answer.stdout)
    assert (group["members"][0]["path"], group["why"]) == (str(sharp), "sharper")


def test_a_pipe_is_told_on_stderr_that_there_are_no_duplicates(copies_master: Path) -> None:
    answer = invoke_vidseek(["duplicates"], library=copies_master)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr
    as_json = invoke_vidseek(["duplicates", "--json"], library=copies_master)
    assert (json.loads(as_json.stdout), as_json.stderr) == ([], "")


def test_an_intro_that_five_videos_share_accuses_nobody(tmp_path: Path) -> None:
    intro = film("chelsea.png", 4)
    folder = tmp_path / "channel"
    folder.mkdir()
    contents = ("coffee.png", "rocket.jpg", "camera.png", "coins.png", "retina.jpg")
    for number, name in enumerate(contents):
        save(folder / f"episode-{number}.mp4", [*intro, *film(name, 5)])
    upload = save(tmp_path / "episode.mp4", [*intro, *film("astronaut.png", 6)])
    library = tmp_path / "library"
    assert invoke_vidseek(["index", folder / "episode-0.mp4"], library=library).returncode == 0
    answer = invoke_vidseek(["check", upload, "--json"], library=library)
    assert json.loads(answer.stdout)["verdict"] == "partial", "of one video, it may be a copy"
    assert invoke_vidseek(["index", folder], library=library).returncode == 0
    answer = invoke_vidseek(["check", upload, "--json"], library=library)
    found = json.loads(answer.stdout)
    assert (found["verdict"], found["matches"]) == ("new", [])
    assert json.loads(invoke_vidseek(["duplicates", "--json"], library=library).stdout) == []


def test_what_four_copies_of_one_film_share_with_another_still_accuses(tmp_path: Path) -> None:
    shared = film("chelsea.png", 4)
    folder = tmp_path / "channel"
    folder.mkdir()
    save(folder / "other.mp4", [*shared, *film("rocket.jpg", 5)])
    for number in range(4):
        tinted = [frame // 8 * (8 - number) for frame in (*shared, *film("coffee.png", 5))]
        save(folder / f"copy-{number}.mp4", tinted)
    library = tmp_path / "library"
    assert invoke_vidseek(["index", folder], library=library).returncode == 0
    upload = save(tmp_path / "upload.mp4", [*shared, *film("astronaut.png", 6)])
    found = json.loads(invoke_vidseek(["check", upload, "--json"], library=library).stdout)
    assert "other.mp4" in {Path(one["path"]).name for one in found["matches"]}


def lines_of(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_many_files_give_a_document_a_line(
    copies_master: Path, gallery: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("dear diary")
    cat = gallery / "cat.mp4"
    answer = invoke_vidseek(
        ["check", notes, cat, tmp_path / "missing.mp4", "--json"], library=copies_master
    )
    bad, copy, missing = lines_of(answer)
    assert (bad["code"], bad["path"]) == ("not_a_video", str(notes))
    assert (copy["verdict"], copy["path"]) == ("exact", str(cat))
    assert (missing["code"], missing["path"]) == ("path_not_found", f"{tmp_path}/missing.mp4")
    assert answer.returncode == EXIT_ERROR


def test_paths_are_read_from_standard_input(copies_master: Path, gallery: Path) -> None:
    cat, cup = gallery / "cat.mp4", gallery / "cup.mp4"
    given = f"{cat}\n\n{cup}\r\n".encode()
    answer = invoke_vidseek(["check", "-", "--json"], library=copies_master, stdin=given)
    assert [(each["path"], each["verdict"]) for each in lines_of(answer)] == [
        (str(cat), "exact"),
        (str(cup), "exact"),
    ]
    assert answer.returncode == EXIT_COPY
    columns = invoke_vidseek(["check", "-"], library=copies_master, stdin=given).stdout
    assert [line.split("\t")[:3] for line in columns.splitlines()] == [
        [str(cat), str(cat), "exact"],
        [str(cup), str(cup), "exact"],
    ]
    nothing = invoke_vidseek(["check", "-", "--json"], library=copies_master, stdin=b"")
    assert (nothing.returncode, nothing.stdout) == (0, "")


def test_an_excepted_video_does_not_count(copies_master: Path, gallery: Path) -> None:
    cat = gallery / "cat.mp4"
    answer = invoke_vidseek(["check", cat, "--except", cat, "--json"], library=copies_master)
    assert (answer.returncode, json.loads(answer.stdout)["verdict"]) == (0, "new")


def test_an_excepted_path_without_videos_is_not_ignored(
    copies_master: Path, gallery: Path, tmp_path: Path
) -> None:
    cat, elsewhere = gallery / "cat.mp4", tmp_path / "elsewhere.mp4"
    arguments = ["--except", elsewhere, "--json"]
    answer = invoke_vidseek(["check", cat, *arguments], library=copies_master)
    assert answer.returncode == EXIT_NOT_FOUND
    error = json.loads(answer.stdout)
    assert (error["code"], error["path"]) == ("path_not_found", str(elsewhere))
    answer = invoke_vidseek(["check", cat, cat, *arguments], library=copies_master)
    assert [each["verdict"] for each in lines_of(answer)] == ["exact", "exact"]
    assert answer.stderr.count(str(elsewhere)) == 1


def test_a_file_over_the_time_limit_is_an_error(copies_master: Path, gallery: Path) -> None:
    answer = invoke_vidseek(
        ["check", gallery / "cat.mp4", "--timeout", "0.000001", "--json"], library=copies_master
    )
    assert answer.returncode == EXIT_ERROR
    error = json.loads(answer.stdout)
    assert (error["code"], error["path"]) == ("decode_limit", str(gallery / "cat.mp4"))


def test_a_new_file_is_added_once(copies_master: Path, gallery: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(copies_master, tmp_path / "library"))
    upload = save(tmp_path / "upload.mp4", film("clock_motion.png", 3))
    answer = invoke_vidseek(["check", upload, upload, "--add", "--json"], library=library)
    first, second = lines_of(answer)
    assert (first["verdict"], first["added"]) == ("new", True)
    assert (second["verdict"], second["added"]) == ("exact", False)
    assert answer.returncode == EXIT_COPY


def test_adding_creates_the_library_but_not_for_a_mistyped_path(
    gallery: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    missing = invoke_vidseek(["check", tmp_path / "mistyped.mp4", "--add"], library=library)
    assert missing.returncode == EXIT_NOT_FOUND
    assert not library.exists()
    added = invoke_vidseek(["check", gallery / "cat.mp4", "--add", "--json"], library=library)
    assert (added.returncode, json.loads(added.stdout)["added"]) == (0, True)
