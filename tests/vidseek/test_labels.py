"""``classify`` and ``label``: on a library whose clips are single colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_process import invoke_vidseek
from palette_encoder import HeadlessEncoder, solid

import vidseek
from vidseek.core.types import EncodedClip, TimeSpan, Video
from vidseek.storage.store import LibraryStore

SECONDS = 4.0
FILMS = {
    "a.mp4": ("red", "red", "green"),
    "b.mp4": ("red", "blue"),
    "c.mp4": ("green", "green"),
    "d.mp4": ("blue", "yellow"),
    "e.mp4": ("red",),
    "f.mp4": ("yellow", "green"),
}


class Films:
    """A library folder that films are added to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.encoder = HeadlessEncoder(scale=20.0, bias=-12.0)
        with LibraryStore.open(folder, create=True) as store:
            store.encoders.register(self.encoder.spec)
        for name, colours in FILMS.items():
            self.add(name, colours)

    def add(self, name: str, colours: tuple[str, ...], *, modified_ns: int = 1) -> None:
        clips = [self.clip(colour, place) for place, colour in enumerate(colours)]
        video = Video(
            id=0,
            path=Path("/films") / name,
            content_hash=name.encode().hex().rjust(64, "0"),
            size_bytes=1,
            modified_ns=modified_ns,
            duration_seconds=SECONDS * len(colours),
            frame_rate=25.0,
            width=64,
            height=64,
            codec="h264",
        )
        with LibraryStore.open(self.folder) as store, store.lease():
            store.videos.add(video, clips, fingerprint=self.encoder.spec.fingerprint)

    def open(self) -> vidseek.Library:
        return vidseek.open(self.folder, create=False, encoder=self.encoder)

    def clip(self, colour: str, place: int) -> EncodedClip:
        noise = np.random.default_rng(place).integers(-8, 8, (2, 8, 8, 3))
        frames = np.clip(solid(colour, 2).astype(int) + noise, 0, 255).astype(np.uint8)
        features = self.encoder.encode_frames(frames)
        times = place * SECONDS + np.array([1.0, 3.0])
        (vector,) = self.encoder.encode_clips(features, times, [slice(0, 2)])
        span = TimeSpan(place * SECONDS, (place + 1) * SECONDS)
        return EncodedClip(span, tuple(times.tolist()), vector, features)


@pytest.fixture
def films(tmp_path: Path) -> Films:
    return Films(tmp_path / "library")


@pytest.fixture
def library(films: Films):
    with films.open() as opened:
        yield opened


def film(name: str, place: int | None = None) -> tuple[str, TimeSpan | None]:
    span = None if place is None else TimeSpan(place * SECONDS, (place + 1) * SECONDS)
    return f"/films/{name}", span


def label_red(library: vidseek.Library) -> None:
    pytest.importorskip("sklearn")
    library.labels.add("warm", [film("a.mp4", 0), film("b.mp4", 0)])
    library.labels.train()


def test_a_video_gets_several_labels(library: vidseek.Library) -> None:
    (moment,) = library.classify(["/films/b.mp4"], ["red", "blue", "green"])
    assert {each.label for each in moment.labels} == {"red", "blue"}
    assert moment.span == TimeSpan(0, 8)


def test_every_clip_and_a_part(library: vidseek.Library) -> None:
    clips = library.classify(["/films/b.mp4"], ["red", "blue", "green"], by_clip=True)
    assert {(clip.span, clip.labels[0].label) for clip in clips} == {
        (TimeSpan(0, 4), "red"),
        (TimeSpan(4, 8), "blue"),
    }
    (part,) = library.classify([film("b.mp4", 1)], ["red", "blue"])
    assert [each.label for each in part.labels] == ["blue"]


def test_none_of_these_comes_last(library: vidseek.Library) -> None:
    result = library.classify(None, ["yellow"])
    names = [moment.video.path.name for moment in result]
    assert set(names[:2]) == {"d.mp4", "f.mp4"}
    assert {moment.labels[0].label for moment in result[2:]} == {"none of these"}
    confidences = [moment.labels[0].confidence for moment in result[:2]]
    assert confidences == sorted(confidences, reverse=True)


def test_videos_and_parts_that_cannot_be_classified(library: vidseek.Library) -> None:
    with pytest.raises(vidseek.PathNotFoundError):
        library.classify(["/films/nowhere.mp4"], ["red"])
    with pytest.raises(vidseek.QueryError):
        library.classify([("/films/e.mp4", TimeSpan(100, 110))], ["red"])
    with pytest.raises(vidseek.QueryError):
        library.classify(None, [])
    with pytest.raises(vidseek.QueryError):
        library.classify()  # nothing was learned
    with pytest.raises(vidseek.QueryError):
        library.classify(None, ["red"], k=0)
    with pytest.raises(TypeError):
        library.classify("/films/e.mp4", ["red"])
    where = vidseek.VideoFilter(path_glob="/nowhere/*")
    assert [each.code for each in library.classify(None, ["red"], where=where).warnings] == [
        "empty_library"
    ]


def test_a_label_is_learned_and_filters_searches(library: vidseek.Library) -> None:
    label_red(library)
    (label,) = library.labels.list()
    assert (label.name, label.positives, label.clips) == ("warm", 2, 4)
    assert label.accuracy is not None
    assert label.accuracy > 0.8  # red clips without an example count against it
    where = vidseek.VideoFilter(labels=("warm",))
    hits = library.search("green", where=where)
    assert {hit.video.path.name for hit in hits} <= {"a.mp4", "b.mp4", "e.mp4"}
    assert hits[0].video.path.name == "a.mp4"
    for hit in library.search("red", k=20):
        name, place = hit.video.path.name, round(hit.span.start_seconds / SECONDS)
        assert hit.labels == (("warm",) if FILMS[name][place] == "red" else ())
    classified = library.classify()
    assert {each.video.path.name for each in classified if each.labels[0].label == "warm"} == {
        "a.mp4",
        "b.mp4",
        "e.mp4",
    }
    with pytest.raises(vidseek.QueryError):
        library.search("green", where=vidseek.VideoFilter(labels=("cold",)))


def test_the_clips_of_a_label_are_listed_newest_videos_first(films: Films) -> None:
    films.add("g.mp4", ("blue", "red"), modified_ns=2)
    with films.open() as library:
        label_red(library)
        hits = library.labels.clips("warm")
        found = [(hit.video.path.name, hit.span.start_seconds) for hit in hits]
        assert found[0] == ("g.mp4", SECONDS)
        assert sorted(found[1:]) == [("a.mp4", 0), ("a.mp4", SECONDS), ("b.mp4", 0), ("e.mp4", 0)]
        assert all(hit.labels == ("warm",) and 0.5 <= hit.score <= 1 for hit in hits)
        assert library.labels.clips("warm", 2) == hits[:2]
        where = vidseek.VideoFilter(path_glob="/films/b.mp4")
        assert [hit.video.path.name for hit in library.labels.clips("warm", where=where)] == [
            "b.mp4"
        ]
        for name, k in (("cold", 1), ("warm", 0)):
            with pytest.raises(vidseek.QueryError):
                library.labels.clips(name, k)


def test_new_videos_get_their_labels(films: Films) -> None:
    with films.open() as library:
        label_red(library)
    films.add("new.mp4", ("red", "yellow"))
    with films.open() as library:
        assert library.labels.update() == {"warm": 1}
        assert library.labels.update() == {"warm": 0}
        assert library.labels.list()[0].clips == 5


def test_videos_that_the_model_encodes_later_get_their_labels(films: Films) -> None:
    """Their clips are older than those that were classified."""
    pytest.importorskip("sklearn")
    second = HeadlessEncoder("second")
    with LibraryStore.open(films.folder) as store:
        store.encoders.register(second.spec)
        store.encoders.activate(second.spec.fingerprint)

        def encode(name: str) -> None:
            stored = store.videos.at(Path("/films") / name)
            assert stored is not None
            clips = store.videos.clips(stored.id)
            encoded = [films.clip(colour, place) for place, colour in enumerate(FILMS[name])]
            ids = {clip.id: made for clip, made in zip(clips, encoded, strict=True)}
            assert store.clip_vectors.add(stored.id, ids, fingerprint=second.spec.fingerprint)

        for name in FILMS.keys() - {"a.mp4"}:
            encode(name)
        with vidseek.open(films.folder, create=False, encoder=second) as library:
            library.labels.add("warm", [film("b.mp4", 0), film("e.mp4")])
            library.labels.train()
            assert {hit.video.path.name for hit in library.labels.clips("warm")} == {
                "b.mp4",
                "e.mp4",
            }
            encode("a.mp4")
            library.labels.update()
            assert [hit.video.path.name for hit in library.labels.clips("warm")].count("a.mp4") == 2
            assert library.labels.list()[0].clips == 4


def test_one_example_is_enough_and_not_measured(library: vidseek.Library) -> None:
    pytest.importorskip("sklearn")
    library.labels.add("warm", [film("e.mp4")])
    (label,) = library.labels.train("warm")
    assert label.accuracy is None
    assert label.clips >= 1


def test_other_labels_are_counterexamples(library: vidseek.Library) -> None:
    pytest.importorskip("sklearn")
    library.labels.add("warm", [film("a.mp4", 0), film("b.mp4", 0)])
    library.labels.add("leaf", [film("c.mp4"), film("f.mp4", 1)])
    assert [label.name for label in library.labels.train()] == ["leaf", "warm"]
    (part,) = library.classify([film("a.mp4", 2)])
    assert [each.label for each in part.labels] == ["leaf"]


def test_contradictions_are_refused_and_corrections_are_not(library: vidseek.Library) -> None:
    pytest.importorskip("sklearn")
    library.labels.add("warm", [film("a.mp4", 0), film("b.mp4", 0)])
    library.labels.add("warm", [("/films/a.mp4", TimeSpan(0, 3.9))], shown=False)
    with pytest.raises(vidseek.TrainingError) as raised:
        library.labels.train()
    assert raised.value.path == Path("/films/a.mp4")
    assert library.labels.remove("warm", [("/films/a.mp4", TimeSpan(0, 3.9))]) == 1
    library.labels.add("warm", [film("b.mp4", 0)], shown=False)
    (label,) = library.labels.train()
    assert (label.positives, label.negatives) == (1, 1)


def test_removed_examples_videos_and_labels(library: vidseek.Library) -> None:
    label_red(library)
    library.remove("/films/b.mp4")
    assert library.labels.list()[0].positives == 1
    library.labels.remove("warm", [film("a.mp4", 0)])
    with pytest.raises(vidseek.TrainingError):
        library.labels.train("warm")
    assert library.labels.list()[0].clips > 0  # as it was learned
    assert library.labels.remove("warm") == 1
    assert library.labels.list() == []
    with pytest.raises(vidseek.QueryError):
        library.labels.remove("warm")


def test_labels_of_another_model_are_refused(films: Films) -> None:
    with films.open() as library:
        label_red(library)
    other = HeadlessEncoder("other")
    with LibraryStore.open(films.folder) as store:
        store.encoders.register(other.spec)
        store.encoders.activate(other.spec.fingerprint)
    with vidseek.open(films.folder, create=False, encoder=other) as library:
        with pytest.raises(vidseek.EncoderError):
            library.classify()
        assert library.labels.update() == {}


@pytest.mark.parametrize("name", ["", "  "])
def test_bad_examples(library: vidseek.Library, name: str) -> None:
    with pytest.raises(vidseek.QueryError):
        library.labels.add(name, [film("a.mp4")])
    with pytest.raises(vidseek.QueryError):
        library.labels.add("None of these", [film("a.mp4")])
    with pytest.raises(vidseek.QueryError):
        library.labels.add("warm", [])
    with pytest.raises(vidseek.PathNotFoundError):
        library.labels.add("warm", [film("nowhere.mp4")])
    with pytest.raises(vidseek.QueryError):
        library.labels.add("warm", [("/films/e.mp4", TimeSpan(100, 110))])
    with pytest.raises(vidseek.QueryError):
        library.labels.train("warm")
    with pytest.raises(vidseek.TrainingError):
        library.labels.train()


def test_the_label_commands(films: Films) -> None:
    pytest.importorskip("sklearn")

    def run(*words: str) -> object:
        answer = invoke_vidseek([*words, "--json"], library=films.folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    examples = ["/films/a.mp4@0-4", "/films/b.mp4@0-4", "/films/a.mp4@0-4"]
    added = run("label", "add", "warm", *examples)
    assert added == {"label": "warm", "added": 2}
    (trained,) = run("label", "train")
    assert trained["clips"] == 4
    assert run("label", "list") == [trained]
    labels = {Path(each["path"]).name: each["labels"] for each in run("list")}
    assert labels["a.mp4"] == ["warm"]
    assert labels["c.mp4"] == []
    rows = run("classify", "/films/a.mp4")
    assert list(rows[0]) == ["path", "start_seconds", "end_seconds", "labels"]
    assert rows[0]["labels"][0]["label"] == "warm"
    assert run("label", "remove", "warm", "/films/a.mp4@0-4") == {"label": "warm", "removed": 1}


def test_a_label_without_examples_stays_until_it_is_removed(films: Films) -> None:
    pytest.importorskip("sklearn")

    def run(*words: str) -> tuple[int, list[str]]:
        answer = invoke_vidseek(words, library=films.folder)
        return answer.returncode, [line for line in answer.stderr.splitlines() if "warm" in line]

    for name, example in (("warm", "/films/a.mp4@0-4"), ("cold", "/films/d.mp4@0-4")):
        assert run("label", "add", name, example) == (0, [])
    assert run("label", "train") == (0, [])
    remove = "vidseek label remove warm"
    for words in (("remove", "warm", "/films/a.mp4@0-4"), ("train",)):
        code, (line,) = run("label", *words)
        assert code == 0
        assert remove in line
    code, (line,) = run("label", "train", "warm")
    assert code != 0
    assert remove in line
    assert run("label", "remove", "warm") == (0, [])
    assert run("label", "train") == (0, [])


def test_wrong_numbers_of_hits(films: Films) -> None:
    answer = invoke_vidseek(["label", "add", "warm", "7"], library=films.folder)
    assert answer.returncode == 2
