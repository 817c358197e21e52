"""The public API on real small videos, with an encoder whose answers are known."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from colour_videos import write_colours
from palette_encoder import PaletteEncoder

import vidseek
from vidseek.library import default_library_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an indexed library and its videos, copied by each test that changes it."""
    folder = tmp_path_factory.mktemp("made")
    write_colours(folder / "films" / "traffic.mp4", ["red", "green", "yellow"])
    write_colours(folder / "films" / "old" / "sea.mp4", ["blue", "blue", "white"])
    (folder / "films" / "broken.mp4").write_bytes(b"no video")
    with vidseek.open(folder / "library", encoder=PaletteEncoder()) as library:
        report = library.index(folder / "films")
    assert (report.indexed, len(report.failed)) == (2, 1)
    return folder


@pytest.fixture
def library(made: Path):
    with vidseek.open(made / "library", create=False, encoder=PaletteEncoder()) as library:
        yield library


@pytest.fixture
def own_library(made: Path, tmp_path: Path):
    """A copy that the test may change; it refers to the videos of ``made``."""
    shutil.copytree(made / "library", tmp_path / "library")
    with vidseek.open(tmp_path / "library", create=False, encoder=PaletteEncoder()) as library:
        yield library


def test_a_planted_excerpt_of_a_real_file_is_found_at_its_time(library, made: Path) -> None:
    (hit,) = library.search("green", k=1)
    assert hit.video.path == made / "films" / "traffic.mp4"
    assert hit.span.iou(vidseek.TimeSpan(4, 8)) > 0.7
    assert hit.thumbnail is not None
    assert hit.thumbnail.is_file()
    assert all(
        hit.span.start_seconds <= frame.seconds <= hit.span.end_seconds for frame in hit.frames
    )


def test_similar_takes_a_stored_video_a_part_and_a_picture(library, made: Path) -> None:
    traffic = made / "films" / "traffic.mp4"
    assert library.similar(traffic, 1)[0].video.path == traffic
    (hit,) = library.similar(str(traffic), 1, span=vidseek.TimeSpan(0.5, 3.5))
    assert hit.span.iou(vidseek.TimeSpan(0, 4)) > 0.7
    others = library.similar(traffic, exclude_itself=True)
    assert {hit.video.path.name for hit in others} == {"sea.mp4"}
    (thumbnail,) = {hit.thumbnail for hit in library.search("white", k=1)}
    (hit,) = library.similar(thumbnail, 1)
    assert hit.video.path.name == "sea.mp4"
    assert hit.span.end_seconds == pytest.approx(12, abs=0.2)


def test_list_info_failed_and_statistics(library, made: Path) -> None:
    films = made / "films"
    assert [video.path.name for video in library.videos()] == [
        "broken.mp4",
        "sea.mp4",
        "traffic.mp4",
    ]
    assert [video.path.name for video in library.videos(under=films / "old")] == ["sea.mp4"]
    indexed = library.videos(states=[vidseek.VideoState.INDEXED])
    assert [video.path.name for video in indexed] == ["sea.mp4", "traffic.mp4"]
    (failed,) = library.failed()
    assert failed.path == films / "broken.mp4"
    assert failed.failure
    assert library.videos(damaged=True) == []
    details = library.info(films / "old" / ".." / "traffic.mp4")
    assert details.video.duration_seconds == pytest.approx(12, abs=0.2)
    assert len(details.clips) == len(details.thumbnails) >= 3
    assert all(path is not None and path.is_file() for path in details.thumbnails)
    totals = library.statistics()
    assert totals.indexed == totals.copy_videos == 2
    with pytest.raises(vidseek.PathNotFoundError, match="nowhere"):
        library.info("/nowhere.mp4")


def test_a_failed_file_keeps_its_next_step(own_library, tmp_path: Path) -> None:
    zeros = tmp_path / "zeros.mp4"
    zeros.write_bytes(bytes(64))
    copy_again = vidseek.Hint("copy_again")
    assert own_library.index(zeros).failed[0].hint == copy_again
    assert own_library.info(zeros).video.failure_hint == copy_again
    assert own_library.index(zeros).failed[0].hint == copy_again  # not tried again


def test_index_again_does_nothing(own_library, made: Path) -> None:
    seen = []
    report = own_library.index([made / "films"], job=vidseek.Job(on_progress=seen.append))
    assert (report.indexed, report.unchanged) == (0, 2)
    assert seen[-1].done == seen[-1].total == 3
    with pytest.raises(vidseek.PathNotFoundError):
        own_library.index("/nowhere/at/all")


def test_remove_forgets_a_file_or_a_folder_and_touches_neither(own_library, made: Path) -> None:
    films = made / "films"
    assert own_library.remove(films / "old") == 1
    assert (films / "old" / "sea.mp4").is_file()
    assert {hit.video.path.name for hit in own_library.search("blue", k=50)} == {"traffic.mp4"}
    assert own_library.remove(films / "traffic.mp4") == 1
    assert not own_library.search("red")
    assert own_library.statistics().clips == 0
    with pytest.raises(vidseek.PathNotFoundError, match=r"traffic\.mp4"):
        own_library.remove(films / "traffic.mp4")


def test_relocate_moves_what_is_known_without_reading_anything(own_library, made: Path) -> None:
    with pytest.raises(vidseek.PathNotFoundError):
        own_library.relocate(made / "films", "/mnt/archive")
    assert own_library.relocate(made / "films", "/mnt/archive", missing_ok=True) == 3
    (hit,) = own_library.search("green", k=1)
    assert hit.video.path == Path("/mnt/archive/traffic.mp4")
    assert hit.thumbnail is not None
    with pytest.raises(vidseek.PathNotFoundError):
        own_library.relocate(made / "films", "/mnt/archive", missing_ok=True)


def test_a_second_writer_is_refused_and_a_reader_is_not(own_library, made: Path) -> None:
    with (
        vidseek.open(own_library.folder, encoder=PaletteEncoder()) as other,
        own_library._store.lease(),
    ):
        assert len(other.search("red", k=2)) == 2
        with pytest.raises(vidseek.LibraryLockedError):
            other.index(made / "films")
        assert other.remove(made / "films") == 3


def test_doctor_finds_a_healthy_library_healthy(library) -> None:
    report = library.doctor()
    assert report.library is not None
    assert report.library.encoder == "palette 1"
    assert report.library.statistics.indexed == 2
    assert report.packages["numpy"]
    assert report.faiss is not None
    assert "av" in {decoder.package for decoder in report.decoders if decoder.version}
    assert [finding.problem for finding in report.findings] == [
        "1 of the library's files could not be read"
    ]


def test_doctor_mends_an_index_that_is_damaged_under_an_open_library(own_library) -> None:
    own_library.search("red")
    files = [path for path in (own_library.folder / "vectors").rglob("*") if path.is_file()]
    (base,) = [
        path for path in files if path.stat().st_size == max(p.stat().st_size for p in files)
    ]
    content = base.read_bytes()
    base.unlink()  # the old bytes stay mapped where they are in use
    base.write_bytes(content[:-64] + b"\x55" * 64)
    findings = own_library.doctor(repair=False).findings
    assert any("vectors" in finding.problem and finding.hint for finding in findings)
    findings = own_library.doctor().findings
    assert any("repaired" in finding.problem and not finding.hint for finding in findings)
    assert own_library.doctor().findings == own_library.doctor(repair=False).findings
    assert own_library.search("green", k=1)[0].span.iou(vidseek.TimeSpan(4, 8)) > 0.7
    with vidseek.open(own_library.folder, encoder=PaletteEncoder()) as opened:
        assert opened.search("green", k=1)[0].span.iou(vidseek.TimeSpan(4, 8)) > 0.7


def test_a_folder_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("not a library")
    with pytest.raises(vidseek.NotALibraryError):
        vidseek.open(tmp_path)
    with pytest.raises(vidseek.NotALibraryError):
        vidseek.open(tmp_path / "missing", create=False)


def test_an_unknown_encoder_creates_no_library(tmp_path: Path) -> None:
    with pytest.raises(vidseek.UnknownEncoderError, match="no-such-encoder"):
        vidseek.open(tmp_path / "library", encoder="no-such-encoder")
    assert not (tmp_path / "library").exists()


def test_an_unknown_encoder_of_a_library_is_refused_when_it_is_needed(own_library) -> None:
    with vidseek.open(own_library.folder, encoder="no-such-encoder") as library:
        assert len(library.videos()) == 3
        with pytest.raises(vidseek.UnknownEncoderError, match="no-such-encoder"):
            library.search("a dog")


def test_the_default_library_is_in_the_users_data_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("VIDSEEK_LIBRARY", str(tmp_path / "ignored"))
    folder = default_library_folder()
    assert folder.parts[-2:] == ("vidseek", "default")
    if sys.platform == "linux":
        with vidseek.open() as library:
            assert library.folder == tmp_path / "vidseek" / "default"


def test_home_and_relative_paths_are_made_absolute(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with vidseek.open("~/library") as library:
        assert library.folder == tmp_path / "library"
    monkeypatch.chdir(tmp_path)
    with vidseek.open("library", create=False) as library:
        assert library.folder == tmp_path / "library"


HEAVY = ("torch", "transformers", "av", "decord", "alembic", "scenedetect", "PIL", "onnx")


def modules_after(code: str, *arguments: object) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after some code."""
    code += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_vidseek_is_light() -> None:
    loaded = modules_after("import vidseek")
    assert not loaded & {*HEAVY, "numpy", "sqlalchemy", "faiss", "onnxruntime"}


def test_a_text_search_loads_no_decoder_and_no_training_library(library) -> None:
    loaded = modules_after(
        """
import sys, vidseek
from palette_encoder import PaletteEncoder
with vidseek.open(sys.argv[1], create=False, encoder=PaletteEncoder()) as library:
    assert len(library.search("red", k=2)) == 2
""",
        library.folder,
    )
    assert "faiss" in loaded
    assert not loaded & set(HEAVY)


def test_a_cold_query_of_the_built_in_model_loads_neither_torch_nor_a_decoder(tmp_path) -> None:
    write_colours(tmp_path / "films" / "short.mp4", ["red", "blue"])
    with vidseek.open(tmp_path / "library", encoder="builtin") as library:
        assert library.index(tmp_path / "films").indexed == 1
    loaded = modules_after(
        """
import contextlib, io, json, sys
import vidseek.cli
sys.argv[1:] = ["search", "a red wall", "--json", "--library", sys.argv[1]]
answer = io.StringIO()
with contextlib.redirect_stdout(answer), contextlib.suppress(SystemExit):
    vidseek.cli.main()
(first, *_) = json.loads(answer.getvalue())
assert first["path"].endswith("short.mp4"), first
""",
        tmp_path / "library",
    )
    assert "onnxruntime" in loaded
    assert not loaded & set(HEAVY)
