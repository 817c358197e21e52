"""A library of an earlier revision of the model answers as before, until it is switched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_videos import write_colours

import vidseek
from vidseek.core.job import Job
from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest

CURRENT = read_manifest().spec.revision
EARLIER = {each.spec.revision: each.spec.fingerprint for each in read_manifest().earlier}


@pytest.fixture(params=EARLIER)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path, revision: str) -> Path:
    """A library of that revision."""
    write_colours(tmp_path / "films" / "traffic.mp4", ["red", "green"])
    earlier = BuiltinEncoder().earlier(EARLIER[revision])
    assert earlier is not None
    with vidseek.open(tmp_path / "library", encoder=earlier) as library:
        assert library.index(tmp_path / "films").indexed == 1
    return tmp_path


def test_it_is_searched_and_extended_as_before_and_switched_when_asked(
    folder: Path, revision: str
) -> None:
    with vidseek.open(folder / "library", create=False) as library:
        (model,) = library.models.list()
        assert (model.spec.source, model.spec.revision) == ("builtin", revision)
        before = library.search("something red", 2)
        assert before.hits
        write_colours(folder / "films" / "sea.mp4", ["blue", "white"])
        assert library.index(folder / "films").indexed == 1
        assert [each.spec.revision for each in library.models.list()] == [revision]
        assert library.similar(folder / "films" / "sea.mp4", 1)

        # The earlier revision answers until the new one has encoded everything.
        assert library.models.add("builtin").switched
        active = {each.spec.revision: each.is_active for each in library.models.list()}
        assert active == {revision: False, CURRENT: True}
        assert library.search("something red", 2).hits
        old = next(each for each in library.models.list() if each.spec.revision == revision)
        again = library.search("something red", 2, model=old.spec.fingerprint)
        scores = [hit.score for hit in again if hit.video.path.name == "traffic.mp4"]
        first = [hit.score for hit in before]
        np.testing.assert_allclose(scores[:1], first[:1], atol=1e-5)
        assert library.models.drop(old.spec.fingerprint) > 0


def test_a_library_that_is_half_encoded_again_answers_with_the_earlier_revision(
    folder: Path, revision: str
) -> None:
    write_colours(folder / "films" / "sea.mp4", ["blue", "white"])
    with vidseek.open(folder / "library", create=False) as library:
        assert library.index(folder / "films").indexed == 1

        def one_is_encoded() -> bool:
            counts = {each.spec.revision: each.encoded_videos for each in library.models.list()}
            return counts.get(CURRENT, 0) == 1

        report = library.models.add("builtin", job=Job(should_cancel=one_is_encoded))
        assert (report.interrupted, report.encoded, report.switched) == (True, 1, False)
        earlier = {hit.video.path.name for hit in library.search("something blue", 4)}
        assert earlier == {"traffic.mp4", "sea.mp4"}
        write_colours(folder / "films" / "sun.mp4", ["yellow", "red"])
        assert library.index(folder / "films").indexed == 1
        active = {each.spec.revision: each.is_active for each in library.models.list()}
        assert active == {revision: True, CURRENT: False}

        finished = library.models.add("builtin")
        assert (finished.encoded, finished.switched) == (2, True)
        (current,) = [each for each in library.models.list() if each.is_active]
        assert (current.spec.revision, current.encoded_videos) == (CURRENT, 3)
        assert library.search("something blue", 4).hits
