"""An encoder of the caller's: a subclass of ``vidseek.Encoder`` with three members."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_videos import write_colours
from palette_encoder import PALETTE, colour_vectors

import vidseek

SPEC = vidseek.EncoderSpec.custom("own", dimension=len(PALETTE), image_size=32)


class Own(vidseek.Encoder):
    """Answers with vectors that a method may distort."""

    spec = SPEC

    def __init__(self, *, frames=lambda rows: rows, texts=lambda rows: rows) -> None:
        self._frames, self._texts = frames, texts

    def encode_frames(self, frames):
        colours = frames.reshape(len(frames), -1, 3).mean(axis=1, dtype=np.float64)
        return vidseek.FrameFeatures(self._frames(colour_vectors(colours)))

    def encode_text(self, texts):
        rows = [colour_vectors(np.array([PALETTE[text]], np.float32))[0] for text in texts]
        return self._texts(np.stack(rows))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    write_colours(folder / "a.mp4", ["red", "green"], seconds=2)
    write_colours(folder / "b.mp4", ["blue"], seconds=2)
    return folder


def found(folder: Path, films: Path, encoder: vidseek.Encoder) -> list[tuple[str, float]]:
    with vidseek.open(folder / "library", encoder=encoder) as library:
        assert library.index(films, workers=1).failed == ()
        return [(hit.video.path.name, hit.score) for hit in library.search("blue", k=3)]


def test_three_members_are_enough(films: Path, tmp_path: Path) -> None:
    encoder = Own()
    assert isinstance(encoder, vidseek.Encoder)
    assert (encoder.reranks, encoder.hubness) == (False, None)
    hits = found(tmp_path, films, encoder)
    assert hits[0] == ("b.mp4", pytest.approx(1.0, abs=0.02))
    assert {name for name, _ in hits} == {"a.mp4", "b.mp4"}


def test_a_clip_is_the_normalised_mean_of_its_frames() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    spec = vidseek.EncoderSpec.custom("plane", dimension=2)
    encoder = type("Plane", (Own,), {"spec": spec})()
    features = vidseek.FrameFeatures(vectors)
    assert features.tokens.shape == (3, 0, 0)
    clips = encoder.encode_clips(features, np.arange(3.0), [slice(0, 2), slice(1, 2), slice(2, 3)])
    np.testing.assert_allclose(clips, [[0.5**0.5, 0.5**0.5], [0, 1], [0, 0]], atol=1e-6)
    assert clips.dtype == np.float32


def test_vectors_of_another_length_or_type_are_normalised(films: Path, tmp_path: Path) -> None:
    expected = found(tmp_path / "right", films, Own())
    longer = Own(frames=lambda rows: rows * 7, texts=lambda rows: rows.astype(np.float64) * 0.01)
    assert found(tmp_path / "longer", films, longer) == [
        (name, pytest.approx(score, abs=2e-3)) for name, score in expected
    ]


@pytest.mark.parametrize(
    "distort",
    [
        pytest.param(lambda rows: rows[:, :3], id="dimension"),
        pytest.param(lambda rows: rows[:-1], id="count"),
        pytest.param(lambda rows: np.where(rows >= 0, np.nan, rows), id="not finite"),
    ],
)
def test_wrong_vectors_are_an_error_that_names_the_method(
    films: Path, tmp_path: Path, distort
) -> None:
    with pytest.raises(vidseek.EncoderError, match="encode_frames"):
        found(tmp_path, films, Own(frames=distort))
    with pytest.raises(vidseek.EncoderError, match="encode_text"):
        found(tmp_path / "texts", films, Own(texts=distort))


def test_something_else_is_refused_when_it_is_given(tmp_path: Path) -> None:
    class NoText:
        spec = SPEC

    for wrong in (7, NoText(), Own):
        with pytest.raises(TypeError):
            vidseek.open(tmp_path / "library", encoder=wrong)
    assert not (tmp_path / "library").exists()
    incomplete = type("Incomplete", (vidseek.Encoder,), {"spec": SPEC})
    with pytest.raises(TypeError):
        incomplete()


def test_the_library_asks_for_its_encoder(films: Path, tmp_path: Path) -> None:
    found(tmp_path, films, Own())
    with vidseek.open(tmp_path / "library") as library:
        with pytest.raises(vidseek.UnknownEncoderError) as caught:
            library.search("blue")
        assert caught.value.hint == vidseek.Hint("give_encoder", {"encoder": "own"})
        assert library.search("blue", k=1, model=Own())[0].video.path.name == "b.mp4"


def test_another_version_is_another_encoder() -> None:
    specs = [
        vidseek.EncoderSpec.custom("own", dimension=8, version=version) for version in ("1", "2")
    ]
    assert specs[0].fingerprint != specs[1].fingerprint
    assert specs[0] == vidseek.EncoderSpec.custom("own", dimension=8)


@pytest.mark.parametrize("name", ["", " ", "builtin", "/models/own", "hf:org/name", "~/own"])
def test_names_of_other_models_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        vidseek.EncoderSpec.custom(name, dimension=8)
