"""``vidseek model``: the commands on a real library, with the built-in model under two names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_process import environment, invoke_vidseek
from videos import make_video, picture

import vidseek as api
from vidseek.cli.exit_codes import EXIT_NOT_FOUND
from vidseek.cli.priority import NICENESS
from vidseek.encoders.manifest import WEIGHTS_FOLDER

VIDEOS = 6


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in weights in another folder, which makes them another model."""
    folder = tmp_path_factory.mktemp("models") / "second"
    folder.mkdir()
    for file in WEIGHTS_FOLDER.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def listed(vidseek) -> dict[str, dict[str, object]]:
    answer = vidseek("model", "list", "--json")
    assert answer.returncode == 0, answer.stderr
    return {model["name"]: model for model in json.loads(answer.stdout)}


def test_add_switch_drop_and_list(vidseek, library: Path, second: Path) -> None:
    assert listed(vidseek)["builtin"] == {
        "name": "builtin",
        "fingerprint": listed(vidseek)["builtin"]["fingerprint"],
        "dimension": 384,
        "encoded_videos": 3,
        "videos": 3,
        "complete": True,
        "active": True,
    }
    answer = vidseek("model", "add", second, "--no-switch", "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["encoded"], report["failed"], report["switched"]) == (3, [], False)
    assert report["model"] == listed(vidseek)[str(second)]
    assert report["model"]["complete"]
    assert not report["model"]["active"]

    # The same weights give the same answers, under every name.
    query = ["search", "a cat", "--json"]
    expected = json.loads(vidseek(*query).stdout)
    for name in (str(second), report["model"]["fingerprint"][:8]):
        found = json.loads(vidseek(*query, "--model", name).stdout)
        assert [hit["path"] for hit in found] == [hit["path"] for hit in expected]
        for hit, other in zip(found, expected, strict=True):
            assert hit["score"] == pytest.approx(other["score"], abs=2e-3)
    picture_query = ["similar", expected[0]["thumbnail"], "-k", "1", "--json", "--model", second]
    assert json.loads(vidseek(*picture_query).stdout)[0]["path"] == expected[0]["path"]

    refused = vidseek("model", "drop", "builtin", "--yes")
    assert refused.returncode == 1
    assert "vidseek model switch" in refused.stderr
    answer = vidseek("model", "switch", second)
    assert answer.returncode == 0
    assert str(second) in answer.stdout
    assert listed(vidseek)[str(second)]["active"]
    unanswered = vidseek("model", "drop", "builtin")
    assert unanswered.returncode == 2
    assert "add --yes" in unanswered.stderr
    assert "builtin" in listed(vidseek)
    fingerprint = listed(vidseek)["builtin"]["fingerprint"]
    assert (library / "vectors" / str(fingerprint)).is_dir()
    answer = vidseek("model", "drop", "builtin", "--yes", "--json")
    dropped = json.loads(answer.stdout)
    assert (dropped["name"], dropped["fingerprint"]) == ("builtin", fingerprint)
    assert dropped["freed_bytes"] > 0
    assert not (library / "vectors" / str(fingerprint)).exists()
    columns = vidseek("model", "list").stdout.splitlines()
    assert [line.split("\t")[0] for line in columns] == [str(second)]
    assert vidseek(*query).returncode == 0


def test_a_model_list_is_laid_out_for_a_person(vidseek, monkeypatch) -> None:
    monkeypatch.setattr("vidseek.cli.output.is_for_person", lambda: True)
    text = vidseek("model", "list").stdout
    assert "3 of 3 videos" in text
    assert "builtin" in text
    assert "(active)" in text


def test_a_video_that_is_gone_ends_add_with_a_reason_and_no_switch(
    tmp_path: Path, second: Path
) -> None:
    films, library = tmp_path / "films", tmp_path / "library"
    films.mkdir()
    for number in range(2):
        make_video(films / f"{number}.mp4", [picture(number)], seconds_each=1.0)
    assert invoke_vidseek(["index", films], library=library).returncode == 0
    (films / "1.mp4").unlink()
    answer = invoke_vidseek(["model", "add", second], library=library)
    assert answer.returncode == 1
    assert "1.mp4" in answer.stdout
    assert "1 video of 2" in answer.stderr
    assert "--partial" in answer.stderr
    search = invoke_vidseek(
        ["search", "red", "--model", second, "--json", "-k", "1"], library=library
    )
    assert len(json.loads(search.stdout)) == 1
    assert "covers 1 of 2 videos" in search.stderr
    partial = invoke_vidseek(["model", "switch", second], library=library)
    assert partial.returncode == 1
    assert invoke_vidseek(["index", films], library=library).returncode == 0
    answer = invoke_vidseek(["model", "add", second], library=library)
    assert answer.returncode == 0
    assert "not encoded" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (["add", "no-such-model"], "vidseek models"),
        (["add", "/no/such/folder"], "vidseek model add"),
        (["switch", "no-such-model"], "vidseek model list"),
        (["drop", "no-such-model", "--yes"], "vidseek model list"),
        (["switch", "clip-base"], "vidseek model add clip-base"),
    ],
)
def test_wrong_names_end_in_one_line_with_the_next_step(
    vidseek, arguments: list[str], next_step: str
) -> None:
    answer = vidseek("model", *arguments)
    assert answer.returncode == EXIT_NOT_FOUND
    (line,) = answer.stderr.splitlines()
    assert arguments[1] in line
    assert f"`{next_step}" in line


def test_there_must_be_a_library(tmp_path: Path) -> None:
    for command in (["list"], ["add", "builtin"], ["switch", "builtin"], ["drop", "builtin"]):
        answer = invoke_vidseek(["model", *command], library=tmp_path / "none")
        assert answer.returncode == EXIT_NOT_FOUND
        assert str(tmp_path / "none") in answer.stderr
    assert not (tmp_path / "none").exists()


def start_adding(library: Path, model: Path, *, until: int) -> subprocess.Popen[str]:
    """Start the real command, and return when the given number of videos is encoded."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vidseek.cli", "model", "add", model, "--json"],
        env=environment(library),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with api.open(library, create=False) as opened:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            models = opened.models.list()  # read once: between two looks the second one may come
            if len(models) == 2 and models[-1].encoded_videos >= until:
                return process
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    process.kill()
    raise AssertionError("nothing was encoded")


def test_killed_in_the_middle_it_goes_on_while_searches_are_answered(
    tmp_path: Path, second: Path
) -> None:
    films, library = tmp_path / "films", tmp_path / "library"
    films.mkdir()
    for number in range(VIDEOS):
        make_video(films / f"{number}.mp4", [picture(number)], seconds_each=4.0)
    assert invoke_vidseek(["index", films], library=library).returncode == 0
    with api.open(library, create=False) as reader:
        expected = reader.search("a red square", 10)
        process = start_adding(library, second, until=1)
        assert reader.search("a red square", 10) == expected
        # It yields the CPU to searches.
        ours, its = (os.getpriority(os.PRIO_PROCESS, one) for one in (0, process.pid))
        assert its == min(ours + NICENESS, 19)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        before, after = reader.models.list()
        assert before.is_active
        assert before.is_complete
        done = after.encoded_videos
        assert 1 <= done < VIDEOS
        assert reader.search("a red square", 10) == expected
        assert reader.doctor(repair=False).library is not None

        answer = invoke_vidseek(["model", "add", second, "--json"], library=library)
        assert answer.returncode == 0, answer.stderr
        report = json.loads(answer.stdout)
        assert report["encoded"] == VIDEOS - done
        assert report["switched"]
        assert [model.is_complete for model in reader.models.list()] == [True, True]
        # Open since before, it answers with the new model by now: the same weights, the same hits.
        assert [hit.video.path for hit in reader.search("a red square", 10)] == [
            hit.video.path for hit in expected
        ]
        assert reader.doctor().is_healthy


@pytest.mark.full
def test_a_tiny_checkpoint_of_the_hubs_format_beside_the_built_in_model(
    vidseek, tmp_path: Path
) -> None:
    from hub_checkpoints import make_checkpoint

    tiny = make_checkpoint("clip", tmp_path / "tiny")
    answer = vidseek("model", "add", tiny, "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["encoded"], report["switched"]) == (3, True)
    assert report["model"]["name"] == str(tiny)
    assert report["model"]["dimension"] == 24
    hits = json.loads(vidseek("search", "a dog", "--json").stdout)
    assert hits
    assert all(hit["confidence"] is None for hit in hits)
    builtin = json.loads(vidseek("search", "a cat", "--json", "--model", "builtin").stdout)
    assert builtin[0]["path"].endswith("cat.mp4")
    assert builtin[0]["confidence"] is not None  # its own model's calibration


@pytest.mark.full
def test_a_model_that_cannot_be_loaded_leaves_no_trace(vidseek, tmp_path: Path) -> None:
    from hub_checkpoints import make_checkpoint

    broken = make_checkpoint("clip", tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "projection_dim": 48}))
    before = vidseek("model", "list", "--json").stdout
    answer = vidseek("model", "add", broken)
    assert answer.returncode == 1
    (line,) = answer.stderr.strip().splitlines()
    assert "its weights are not of the sizes that config.json says" in line
    assert vidseek("model", "list", "--json").stdout == before
    other = tmp_path / "other"
    assert vidseek("index", tmp_path, "--model", broken, "--library", other).returncode == 1
    assert not other.exists()


@pytest.mark.full
def test_doctor_tells_of_a_model_whose_folder_is_gone(vidseek, tmp_path: Path) -> None:
    from hub_checkpoints import make_checkpoint

    tiny = make_checkpoint("clip", tmp_path / "tiny")
    assert vidseek("model", "add", tiny).returncode == 0

    def findings() -> list[dict[str, str]]:
        found = json.loads(vidseek("doctor", "--json").stdout)["findings"]
        return [one for one in found if "model" in one["problem"]]

    assert findings() == []
    tiny.rename(tmp_path / "moved")
    (finding,) = findings()
    assert str(tiny) in finding["problem"]
    assert "vidseek model add" in finding["next_step"]
    assert vidseek("model", "add", tmp_path / "moved").returncode == 0
    assert findings() == []
