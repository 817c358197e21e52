"""Several models in one library, by the public API."""

from __future__ import annotations

import json
import math
import shutil
import threading
from pathlib import Path

import pytest
from colour_videos import write_colours
from palette_encoder import HeadlessEncoder, PaletteEncoder

import vidseek
from vidseek.core.errors import Hint
from vidseek.core.types import Calibration
from vidseek.encoders.manifest import WEIGHTS_FOLDER

SECOND = "second palette"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_colours(folder / "films" / "traffic.mp4", ["red", "green", "yellow"])
    write_colours(folder / "films" / "sea.mp4", ["blue", "blue", "white"])
    with vidseek.open(folder / "library", encoder=PaletteEncoder()) as library:
        assert library.index(folder / "films").indexed == 2
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path):
    """A copy that the test may change, with the encoder ``palette``."""
    shutil.copytree(made / "library", tmp_path / "library")
    with vidseek.open(tmp_path / "library", create=False, encoder=PaletteEncoder()) as library:
        yield library


@pytest.fixture
def second() -> HeadlessEncoder:
    """The same vision with another ranking rule, recognisable by its scores."""
    return HeadlessEncoder(SECOND)


def two_of_three(library: vidseek.Library, encoder, made: Path) -> None:
    """Encode with a second model, and then let a third video come."""
    library.models.add(encoder, switch=False)
    write_colours(library.folder.parent / "new.mp4", ["pink", "pink"])
    library.index(library.folder.parent / "new.mp4")


def test_models_are_listed_and_chosen_by_search(library, second) -> None:
    (only,) = library.models.list()
    assert (only.is_active, only.is_complete, only.videos) == (True, True, 2)
    report = library.models.add(second, switch=False)
    assert (report.encoded, report.switched) == (2, False)
    assert [model.spec.source for model in library.models.list()] == ["palette", SECOND]
    assert [model.is_active for model in library.models.list()] == [True, False]

    query = "green"
    (ours,) = library.search(query, 1)
    (theirs,) = library.search(query, 1, model=second)
    by_name = library.search(query, 1, model=SECOND)
    by_digits = library.search(query, 1, model=second.spec.fingerprint[:6])
    assert by_name.hits == by_digits.hits == (theirs,)
    assert (theirs.video, theirs.span) == (ours.video, ours.span)
    # Each hit's score is its own model's: cosine alone here, half of the worst frame's there.
    (cosine,) = library.search(query, 1, rerank=False)
    assert theirs.score == pytest.approx(cosine.score, abs=1e-5)
    path = theirs.video.path
    assert library.similar(path, 1, model=SECOND)[0].video.path == path


def test_every_hit_is_of_the_model_that_was_asked(library, made: Path) -> None:
    """A model that inverts every picture gives its own list of hits, not a mixture."""

    class Negative(HeadlessEncoder):
        def encode_frames(self, frames):
            return super().encode_frames(255 - frames)

    negative = Negative("negative")
    library.models.add(negative, switch=False)
    positive = {(hit.video.path, hit.span): hit.score for hit in library.search("blue", 50)}
    hits = library.search("blue", 50, model=negative)
    assert hits[0].video.path.name == "traffic.mp4"  # where yellow, the opposite of blue, is seen
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert not {(hit.video.path, hit.span, hit.score) for hit in hits} & {
        (*place, score) for place, score in positive.items()
    }


def test_a_partial_model_answers_with_a_warning(library, second, made: Path) -> None:
    two_of_three(library, second, made)
    whole = library.search("pink", 50)
    assert {hit.video.path.name for hit in whole} == {"traffic.mp4", "sea.mp4", "new.mp4"}
    assert not whole.warnings
    partial = library.search("pink", 50, model=SECOND)
    assert {hit.video.path.name for hit in partial} == {"traffic.mp4", "sea.mp4"}
    (warning,) = partial.warnings
    assert warning.code == "partial_model"
    assert "covers 2 of 3 videos" in warning.message
    assert warning.hint == Hint("add_model", {"model": SECOND})


def test_a_video_that_a_model_has_not_encoded_is_decoded_to_compare_with(
    library, second, made: Path
) -> None:
    two_of_three(library, second, made)
    new = library.folder.parent / "new.mp4"
    query = vidseek.TimeSpan(0, 1)
    for span in (None, query):
        hits = library.similar(new, 50, span=span, model=SECOND)
        assert {hit.video.path.name for hit in hits} == {"traffic.mp4", "sea.mp4"}


def test_what_needs_vectors_names_the_video_that_has_none(library, second, made: Path) -> None:
    two_of_three(library, second, made)
    new = library.folder.parent / "new.mp4"
    video_id = library.info(new).video.id
    for call in (
        lambda: library.similarity_curve(video_id, "pink", model=SECOND),
        lambda: library.explain("pink", new, model=SECOND),
        lambda: library.summary(new, model=SECOND),
    ):
        with pytest.raises(vidseek.EncoderError) as caught:
            call()
        assert caught.value.path == new
        assert caught.value.hint == Hint("add_model", {"model": SECOND})


def test_the_library_follows_a_switch_and_the_old_model_still_answers(
    library, second, made: Path
) -> None:
    with vidseek.open(library.folder, create=False) as other:
        # As if another process had the library open and had loaded both.
        other.models._loaded = {one.spec.fingerprint: one for one in (PaletteEncoder(), second)}
        assert other.encoder.spec.source == "palette"
        before = other.search("green", 3).hits
        assert library.models.add(second).switched
        assert other.encoder.spec.source == SECOND
        assert other.search("green", 3).hits == other.search("green", 3, model=SECOND).hits
        assert other.search("green", 3, model="palette").hits == before
        assert other.models.switch("palette").is_active
        assert other.search("green", 3).hits == before


def test_each_model_has_its_own_calibration(library, second) -> None:
    library.models.add(second, switch=False)
    ours, theirs = (Calibration(scale, -2.0, "captions", 20, "1") for scale in (4.0, 9.0))
    with vidseek.open(library.folder) as other:
        for spec, one in ((library.encoder.spec, ours), (second.spec, theirs)):
            other._store.encoders.set_calibration(spec.fingerprint, one)
        assert other.calibration == ours
        other._store.encoders.activate(second.spec.fingerprint)
        assert other.calibration == theirs
    for model, one in ((None, ours), (second, theirs)):
        (hit,) = library.search("green", 1, model=model)
        expected = 1 / (1 + math.exp(-(one.scale * hit.score + one.bias)))
        assert hit.confidence == pytest.approx(expected)
    library._store.encoders.activate(library.encoder.spec.fingerprint)
    library.models.drop(second)
    assert library.calibration == ours


def test_searches_never_fail_while_a_model_is_added_switched_and_dropped(
    library, second, made: Path
) -> None:
    failures: list[BaseException] = []
    searches = 0
    ended = threading.Event()

    def search() -> None:
        nonlocal searches
        while not ended.is_set():
            try:
                assert library.search("green", 1)[0].video.path.name == "traffic.mp4"
                searches += 1
            except BaseException as error:
                failures.append(error)
                return

    thread = threading.Thread(target=search)
    with vidseek.open(library.folder, create=False, encoder=second) as writer:
        thread.start()
        try:
            assert writer.models.add(second).switched
            writer.models._loaded[PaletteEncoder().spec.fingerprint] = PaletteEncoder()
            writer.models.switch("palette")
            assert writer.models.drop(SECOND) > 0
        finally:
            ended.set()
            thread.join()
    assert failures == []
    assert searches > 3


def test_switching_to_a_model_that_does_not_know_all_must_be_meant(
    library, second, made: Path
) -> None:
    two_of_three(library, second, made)
    with pytest.raises(vidseek.LibraryError, match="2 of 3 videos") as error:
        library.models.switch(second)
    assert error.value.hint == Hint("complete_model", {"model": SECOND})
    assert library.models.switch(second, partial=True).is_active
    hints = [finding.hint for finding in library.doctor().findings]
    assert Hint("add_model", {"model": SECOND}) in hints
    # The first model is the only one that knows the new video.
    with pytest.raises(vidseek.LibraryError, match=r"\b1 video") as error:
        library.models.drop("palette")
    assert error.value.hint == Hint("encode_before_drop")
    assert library.models.add(second).encoded == 1
    assert library.models.drop("palette") > 0
    assert library.doctor().is_healthy
    assert {hit.video.path.name for hit in library.search("pink", 9, model=second)} >= {"new.mp4"}


def test_dropping_removes_vectors_and_files(library, second) -> None:
    with pytest.raises(vidseek.LibraryError, match="palette") as error:
        library.models.drop("palette")
    assert error.value.hint == Hint("switch_before_drop")
    library.models.add(second, switch=False)
    folder = library.folder / "vectors" / second.spec.fingerprint
    assert any(folder.iterdir())
    assert library.models.drop(second) > 0
    assert not folder.exists()
    assert [model.spec.source for model in library.models.list()] == ["palette"]
    with pytest.raises(vidseek.UnknownEncoderError, match=rf"{SECOND}.*palette"):
        library.search("green", model=SECOND)
    with pytest.raises(vidseek.EncoderError, match=r"indexed with.*palette.*second palette"):
        library.search("green", model=second)
    assert library.doctor().is_healthy


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        *(
            (name, Hint("add_model", {"model": name}))
            for name in ("clip-base", "hf:some/thing", "builtin")
        ),
        ("/no/such/folder", Hint("list_models")),
        ("x", Hint("list_models")),
    ],
)
def test_a_model_that_the_library_does_not_have_is_named_with_the_next_step(
    library, name, hint
) -> None:
    for ask in (
        lambda: library.search("green", model=name),
        lambda: library.models.switch(name),
        lambda: library.models.drop(name),
    ):
        with pytest.raises(vidseek.UnknownEncoderError, match="palette") as error:
            ask()
        assert error.value.hint == hint


def test_a_library_without_any_model_says_how_to_begin(tmp_path: Path, second) -> None:
    with vidseek.open(tmp_path / "library") as library:
        assert library.models.list() == []
        for ask in (
            lambda: library.models.add("builtin"),
            lambda: library.models.add(second),
            lambda: library.models.switch("builtin"),
            lambda: library.models.drop("builtin"),
            lambda: library.search("green", model="builtin"),
        ):
            with pytest.raises(vidseek.LibraryError, match=str(tmp_path)):
                ask()


def linked_weights(folder: Path) -> Path:
    """The built-in weights in another folder, which makes them another model."""
    folder.mkdir(parents=True)
    for file in WEIGHTS_FOLDER.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def test_a_folder_that_vanished_moved_or_changed(tmp_path: Path) -> None:
    write_colours(tmp_path / "films" / "a.mp4", ["red"])
    model = linked_weights(tmp_path / "model")
    with vidseek.open(tmp_path / "library") as library:
        library.index(tmp_path / "films")
        assert library.models.add(str(model)).switched

    def opened() -> vidseek.Library:
        return vidseek.open(tmp_path / "library", create=False)

    with opened() as library:
        assert library.search("red", 1, model=str(model))
    moved = model.rename(tmp_path / "moved")
    with opened() as library:
        for ask in (
            lambda: library.search("red"),
            lambda: library.search("red", model=str(model)),
            lambda: library.models.switch(str(model)),
        ):
            with pytest.raises(vidseek.EncoderError) as gone:
                ask()
            assert gone.value.hint == Hint("restore_model", {"model": str(model)})
        assert library.search("red", 1, model="builtin")  # the other one still answers
        assert library.search("red", 1, model=str(moved))  # known by its weights
        assert library.models.add(str(moved)).encoded == 0  # and from now on by its new place
    with opened() as library:
        assert library.search("red", 1)
        assert [model.spec.source for model in library.models.list()] == ["builtin", str(moved)]

    # Other weights under the same name are another model.
    manifest = moved / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    facts["spec"]["preprocessing"] += ", but different"
    manifest.unlink()
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    with opened() as library:
        for name in (None, str(moved)):
            with pytest.raises(vidseek.EncoderError) as error:
                library.search("red", 1, model=name)
            assert error.value.hint == Hint("restore_or_add_model", {"model": str(moved)})
        assert library.models.add(str(moved)).switched
        with pytest.raises(vidseek.UnknownEncoderError, match="matches several"):
            library.search("red", 1, model=str(moved))
        assert library.search("red", 1)
