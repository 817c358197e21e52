"""The commands on a real library, of films of photographs. The library itself is made by the real
command in a process of its own (``indexed_master``)."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest
from cli_process import Run, invoke_vidseek

from vidseek.cli.exit_codes import EXIT_NOT_FOUND, EXIT_USAGE

HIT_COLUMNS = ["path", "start_seconds", "end_seconds", "score", "confidence", "thumbnail"]
HIT_KEYS = [*HIT_COLUMNS, "copies", "labels"]
REPORT_KEYS = [
    *("indexed", "unchanged", "moved", "missing", "failed", "skipped"),
    *("sound_only", "hidden", "links", "notes"),
    *("video_seconds", "seconds"),
]


def test_a_second_index_run_reads_nothing(vidseek: Run, footage_master: Path) -> None:
    answer = vidseek("index", footage_master, "--json")
    assert answer.returncode == 0
    report = json.loads(answer.stdout)
    assert list(report) == REPORT_KEYS
    assert report["indexed"] == 0
    assert report["unchanged"] == 3
    assert report["video_seconds"] == 0
    assert [Path(entry["path"]).name for entry in report["failed"]] == ["notes.mp4"]
    assert report["failed"][0]["reason"]


def test_index_ends_with_counts_and_reasons_and_exit_code_0(
    tmp_path: Path, footage_master: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(footage_master / "cat.mp4", folder)
    shutil.copy(footage_master / "notes.mp4", folder)
    answer = invoke_vidseek(["index", folder], library=tmp_path / "library")
    assert answer.returncode == 0
    lines = answer.stdout.splitlines()
    assert lines[0] == "indexed 1  unchanged 0  moved 0  missing 0  failed 1"
    assert lines[1].startswith("3.0 s of video in ")
    assert lines[1].endswith("x realtime")
    assert lines[2] == "not readable:"
    assert "notes.mp4: " in lines[3]


def test_moved_and_deleted_files_are_counted(tmp_path: Path, footage_master: Path) -> None:
    folder, library = tmp_path / "videos", tmp_path / "library"
    folder.mkdir()
    for name in ("cat.mp4", "errands.mp4"):
        shutil.copy(footage_master / name, folder)
    assert invoke_vidseek(["index", folder], library=library).returncode == 0
    (folder / "cat.mp4").rename(folder / "whiskers.mp4")
    (folder / "errands.mp4").unlink()
    report = json.loads(invoke_vidseek(["index", folder, "--json"], library=library).stdout)
    assert (report["indexed"], report["moved"], report["missing"]) == (0, 1, 1)
    states = {
        Path(video["path"]).name: video["state"]
        for video in json.loads(invoke_vidseek(["list", "--json"], library=library).stdout)
    }
    assert states == {"whiskers.mp4": "indexed", "errands.mp4": "missing"}
    pruned = invoke_vidseek(["index", folder, "--prune"], library=library)
    assert pruned.returncode == 0
    assert "removed 1" in pruned.stdout
    assert "missing" not in pruned.stdout
    videos = json.loads(invoke_vidseek(["list", "--json"], library=library).stdout)
    assert [Path(video["path"]).name for video in videos] == ["whiskers.mp4"]


def test_excluded_files_are_left_out(tmp_path: Path, footage_master: Path) -> None:
    arguments = ["index", footage_master, "--exclude", "*/kitchen/*", "--exclude", "notes.*"]
    answer = invoke_vidseek([*arguments, "--json"], library=tmp_path / "library")
    report = json.loads(answer.stdout)
    assert (report["indexed"], report["failed"]) == (2, [])


def test_search_answers_with_moments(vidseek: Run) -> None:
    answer = vidseek("search", "a cat", "--json", "-k", "4")
    assert answer.returncode == 0
    assert answer.stderr == ""
    hits = json.loads(answer.stdout)
    assert [list(hit) for hit in hits] == [HIT_KEYS] * 4
    assert Path(hits[0]["path"]).name == "cat.mp4"
    assert 0 <= hits[0]["start_seconds"] < hits[0]["end_seconds"] <= 3.1
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert Path(hits[0]["thumbnail"]).read_bytes()[:2] == b"\xff\xd8"


def test_a_moment_inside_a_video_is_found_with_its_time(vidseek: Run) -> None:
    hits = json.loads(vidseek("search", "a red motorcycle", "--json").stdout)
    assert Path(hits[0]["path"]).name == "errands.mp4"
    assert hits[0]["start_seconds"] < 1
    assert 2 <= hits[0]["end_seconds"] <= 4


def test_search_in_a_pipe_is_columns(vidseek: Run) -> None:
    answer = vidseek("search", "a cat", "--all", "-k", "3")
    rows = [line.split("\t") for line in answer.stdout.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert all(len(row) == 1 + len(HIT_COLUMNS) for row in rows)
    assert rows[0][1].endswith("/cat.mp4")
    float(rows[0][2])


def test_the_terms_to_leave_out_change_the_answer(vidseek: Run) -> None:
    plain = json.loads(vidseek("search", "a red motorcycle", "--json").stdout)
    without = vidseek("search", "a red motorcycle", "--not", "a motorcycle", "--json")
    assert Path(plain[0]["path"]).name == "errands.mp4"
    assert json.loads(without.stdout) != plain


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--in", "*/kitchen/*"], {"red cup@1-2.mp4"}),
        (["--in", "kitchen/*.mp4"], {"red cup@1-2.mp4"}),
        (["--min-duration", "0:05"], {"errands.mp4"}),
        (["--max-duration", "2.5"], {"red cup@1-2.mp4"}),
        (["--min-height", "720"], set()),
        (["--after", "2100-01-01"], set()),
        (["--before", "2100-01-01"], {"cat.mp4", "errands.mp4", "red cup@1-2.mp4"}),
    ],
)
def test_filters_restrict_which_videos_answer(
    vidseek: Run, options: list[str], names: set[str]
) -> None:
    answer = vidseek("search", "a photograph", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    assert {Path(hit["path"]).name for hit in json.loads(answer.stdout)} == names


def test_a_folder_without_wildcards_stands_for_what_is_below_it(
    vidseek: Run, footage_master: Path
) -> None:
    answer = vidseek("search", "x", "--in", "kitchen", "--json", cwd=footage_master)
    assert {Path(hit["path"]).name for hit in json.loads(answer.stdout)} == {"red cup@1-2.mp4"}


def test_nothing_to_answer_is_still_json(vidseek: Run) -> None:
    answer = vidseek("search", "a cat", "--min-height", "9999", "--json")
    assert (answer.returncode, answer.stdout) == (0, "[]\n")


def test_nothing_to_answer_is_said_on_stderr_in_a_pipe(vidseek: Run) -> None:
    answer = vidseek("search", "a cat", "--min-height", "9999")
    assert (answer.returncode, answer.stdout) == (0, "")
    assert "no confident match" in answer.stderr


def test_per_video_limits_the_hits_of_one_video(vidseek: Run) -> None:
    hits = json.loads(vidseek("search", "something", "--per-video", "1", "--json").stdout)
    assert len(hits) == 3


def test_tight_spans_change_where_hits_end_not_which_come_first(vidseek: Run) -> None:
    plain = json.loads(vidseek("search", "a motorcycle", "--json").stdout)
    tight = json.loads(vidseek("search", "a motorcycle", "--refine", "--json").stdout)
    assert (plain[0]["path"], plain[0]["score"]) == (tight[0]["path"], tight[0]["score"])
    spans = sorted((hit["path"], hit["start_seconds"], hit["end_seconds"]) for hit in tight)
    for (path, _, end), (other_path, start, _) in itertools.pairwise(spans):
        assert path != other_path or end <= start


def test_a_sequence_spans_and_lists_its_steps(vidseek: Run) -> None:
    answer = vidseek("search", "a motorcycle", "--then", "a page of text", "--json")
    assert answer.returncode == 0, answer.stderr
    best = json.loads(answer.stdout)[0]
    assert Path(best["path"]).name == "errands.mp4"
    assert [list(step) for step in best["steps"]] == [["start_seconds", "end_seconds"]] * 2
    assert best["steps"][0]["start_seconds"] == best["start_seconds"]
    assert best["steps"][1]["end_seconds"] == best["end_seconds"]
    columns = vidseek("search", "a motorcycle", "--then", "a page", "--all").stdout.splitlines()
    assert {len(row.split("\t")) for row in columns} == {7}
    assert "steps" not in json.loads(vidseek("search", "a motorcycle", "--json").stdout)[0]


def test_a_sequence_longer_than_every_video_is_no_error(vidseek: Run) -> None:
    answer = vidseek("search", "a cat", *["--then", "a dog"] * 12, "--json")
    assert (answer.returncode, json.loads(answer.stdout)) == (0, [])
    assert len(answer.stderr.splitlines()) == 1
    answer = vidseek("search", "a cat", *["--then", "a dog"] * 12)
    assert (answer.returncode, answer.stdout) == (0, "")
    assert len(answer.stderr.splitlines()) == 1, "the reason is said once"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--then", " "], EXIT_USAGE),
        (["--within", "5"], EXIT_USAGE),
        (["--then", "a dog", "--within", "0"], EXIT_USAGE),
        (["--then", "a dog", "--within", "soon"], EXIT_USAGE),
        (["--then", "a dog", "--refine"], EXIT_USAGE),
        (["--like", "photo.jpg@0"], EXIT_USAGE),
        (["--like", "nowhere.jpg"], EXIT_NOT_FOUND),
        (["--not-like", "nowhere.jpg"], EXIT_NOT_FOUND),
    ],
)
def test_impossible_combinations_are_refused(vidseek: Run, options: list[str], code: int) -> None:
    answer = vidseek("search", "a cat", *options)
    assert answer.returncode == code, answer.stderr
    assert answer.stdout == ""


def test_a_text_is_combined_with_a_picture(vidseek: Run, tmp_path: Path) -> None:
    from vidseek.demo.clips import load_photograph

    picture = tmp_path / "bike@1.jpg"
    load_photograph("motorcycle_right.png").save(picture)
    for given in (picture, f"{picture}@2"):
        hits = json.loads(vidseek("search", "a thing", "--like", given, "--json").stdout)
        assert Path(hits[0]["path"]).name == "errands.mp4"
        assert all(hit["confidence"] is None for hit in hits)
    hits = json.loads(vidseek("search", "a thing", "--not-like", picture, "--json").stdout)
    assert Path(hits[-1]["path"]).name == "errands.mp4"


def test_similar_by_picture_video_and_part(
    vidseek: Run, footage_master: Path, tmp_path: Path
) -> None:
    from vidseek.demo.clips import load_photograph

    picture = tmp_path / "bike.jpg"
    load_photograph("motorcycle_right.png").save(picture)
    by_picture = json.loads(vidseek("similar", picture, "--json").stdout)
    assert Path(by_picture[0]["path"]).name == "errands.mp4"
    assert list(by_picture[0]) == HIT_KEYS

    cat = footage_master / "cat.mp4"
    by_video = json.loads(vidseek("similar", cat, "--json").stdout)
    assert by_video[0]["path"] == str(cat)
    others = json.loads(vidseek("similar", cat, "--others", "--json").stdout)
    assert str(cat) not in {hit["path"] for hit in others}

    page = json.loads(
        vidseek("similar", f"{footage_master}/errands.mp4@0:04-0:06", "--json").stdout
    )
    assert page[0]["path"] == str(footage_master / "errands.mp4")
    assert page[0]["start_seconds"] >= 2


def test_a_file_named_like_a_part_is_that_file(vidseek: Run, footage_master: Path) -> None:
    cup = footage_master / "kitchen" / "red cup@1-2.mp4"
    whole = json.loads(vidseek("similar", cup, "--json").stdout)
    part = json.loads(vidseek("similar", f"{cup}@0-1", "--json").stdout)
    assert whole[0]["path"] == part[0]["path"] == str(cup)


def test_list_gives_every_file(vidseek: Run, footage_master: Path) -> None:
    videos = json.loads(vidseek("list", "--json").stdout)
    assert [video["path"] for video in videos] == sorted(
        str(p) for p in footage_master.rglob("*.mp4")
    )
    states = {Path(video["path"]).name: video["state"] for video in videos}
    assert states["notes.mp4"] == "failed"
    assert states["cat.mp4"] == "indexed"
    columns = vidseek("list").stdout.splitlines()
    assert len(columns) == 4
    assert all(len(line.split("\t")) == 7 for line in columns)


def test_info_tells_of_one_video(vidseek: Run, footage_master: Path) -> None:
    answer = vidseek("info", "errands.mp4", "--json", cwd=footage_master)
    facts = json.loads(answer.stdout)
    assert facts["path"] == str(footage_master / "errands.mp4")
    assert (facts["width"], facts["height"], facts["codec"]) == (640, 360, "h264")
    assert facts["duration_seconds"] == pytest.approx(6, abs=0.1)
    assert facts["clips"][0]["start_seconds"] == 0
    assert facts["clips"][-1]["end_seconds"] == pytest.approx(6, abs=0.1)
    assert Path(facts["clips"][0]["thumbnail"]).is_file()
    plain = vidseek("info", footage_master / "errands.mp4").stdout
    assert "h264" in plain
    assert f"clips             {len(facts['clips'])}" in plain


def test_failed_lists_reasons_and_retries(
    vidseek: Run, library: Path, footage_master: Path
) -> None:
    (entry,) = json.loads(vidseek("failed", "--json").stdout)
    assert entry["path"] == str(footage_master / "notes.mp4")
    assert entry["reason"]
    assert vidseek("failed").stdout == f"{entry['path']}\t{entry['reason']}\n"
    again = json.loads(vidseek("failed", "--retry", "--json").stdout)
    assert list(again) == REPORT_KEYS
    assert (again["indexed"], len(again["failed"])) == (0, 1)


def test_failed_retry_with_nothing_to_retry(tmp_path: Path, footage_master: Path) -> None:
    library = tmp_path / "library"
    assert invoke_vidseek(["index", footage_master / "cat.mp4"], library=library).returncode == 0
    assert json.loads(invoke_vidseek(["failed", "--json"], library=library).stdout) == []
    report = json.loads(invoke_vidseek(["failed", "--retry", "--json"], library=library).stdout)
    assert list(report) == REPORT_KEYS


def test_remove_forgets_a_video_and_leaves_the_file(vidseek: Run, footage_master: Path) -> None:
    cat = footage_master / "cat.mp4"
    assert json.loads(vidseek("remove", cat, "--json").stdout) == {"removed": 1}
    assert cat.exists()
    hits = json.loads(vidseek("search", "a cat", "--json").stdout)
    assert str(cat) not in {hit["path"] for hit in hits}


def test_remove_of_several_wants_to_be_sure(vidseek: Run, footage_master: Path) -> None:
    refused = vidseek("remove", footage_master)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert len(json.loads(vidseek("list", "--json").stdout)) == 4
    assert vidseek("remove", footage_master, "--yes").returncode == 0
    assert json.loads(vidseek("list", "--json").stdout) == []


def test_relocate_follows_a_moved_folder(
    vidseek: Run, footage_master: Path, tmp_path: Path
) -> None:
    new = tmp_path / "elsewhere"
    shutil.copytree(footage_master, new)
    assert json.loads(vidseek("relocate", footage_master, new, "--json").stdout) == {"relocated": 4}
    hits = json.loads(vidseek("search", "a cat", "--json").stdout)
    assert hits[0]["path"] == str(new / "cat.mp4")
    report = json.loads(vidseek("index", new, "--json").stdout)
    assert (report["indexed"], report["unchanged"]) == (0, 3)


def test_doctor_reports_and_repairs(vidseek: Run, library: Path) -> None:
    before = vidseek("search", "a cat", "--json").stdout
    for file in library.glob("vectors/**/*.faiss"):
        file.write_bytes(b"garbage")
    checked = json.loads(vidseek("doctor", "--check-only", "--json").stdout)
    repaired = json.loads(vidseek("doctor", "--json").stdout)
    assert checked["vidseek"] == repaired["vidseek"]
    assert repaired["library"]["statistics"]["indexed"] == 3
    assert repaired["error"] is None
    assert {decoder["package"] for decoder in repaired["decoders"]} == {"av", "decord2"}
    assert vidseek("search", "a cat", "--json").stdout == before
    assert "encoder" in vidseek("doctor").stdout


def test_the_library_may_be_named_before_or_after_the_command(library: Path) -> None:
    for arguments in (
        ["--library", library, "list", "--json"],
        ["list", "--json", "--library", library],
        ["--library", "/nonexistent", "list", "--json", "--library", library],
    ):
        answer = invoke_vidseek(arguments)
        assert len(json.loads(answer.stdout)) == 4
