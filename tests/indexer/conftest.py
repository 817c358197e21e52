"""Small real videos, and a library to index them into."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from colour_encoder import ColourEncoder

from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore

MakeVideo = Callable[..., Path]


def write_video(path: Path, *, seed: int = 0, seconds: float = 3.0, scenes: int = 2) -> Path:
    """Write an H.264 video of some scenes, each one moving blocks of the scene's colours."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rate, width, height = 5, 96, 64
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "10"}
        total = round(seconds * rate)
        for index in range(total):
            if index % max(1, total // scenes) == 0:
                blocks = random.integers(0, 255, (4, 6, 3), dtype=np.uint8)
            picture = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def make_video() -> MakeVideo:
    return write_video


@pytest.fixture
def encoder() -> ColourEncoder:
    return ColourEncoder()


@dataclass(frozen=True)
class Template:
    """Made once; tests get copies."""

    footage: Path
    library: Path


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    template = Template(folder / "footage", folder / "library")
    for seed, name in enumerate(["a.mp4", "b.mp4", "deep/c.mp4"]):
        write_video(template.footage / name, seed=seed)
    with LibraryStore.open(template.library, create=True) as store:
        report = Indexer(store, ColourEncoder(), options=IndexOptions(workers=1)).run(
            [template.footage]
        )
    assert report.indexed == 3
    return template


@pytest.fixture
def footage(tmp_path: Path, template: Template) -> Path:
    """A folder of three different videos."""
    # With their times: they tell that the files are those that were indexed.
    return Path(shutil.copytree(template.footage, tmp_path / "footage"))


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LibraryStore]:
    """An empty library, or a library of the footage if the test asks for ``indexed``."""
    library = tmp_path / "library"
    if "indexed" in request.fixturenames:
        template: Template = request.getfixturevalue("template")
        shutil.copytree(template.library, library)
        with LibraryStore.open(library) as store:
            store.videos.relocate(template.footage, tmp_path / "footage")
    with LibraryStore.open(library, create=True) as store:
        yield store


@pytest.fixture
def indexed(store: LibraryStore, footage: Path) -> None:
    """The library holds the footage."""
    assert {video.path for video in store.videos.select()} == set(footage.rglob("*.mp4"))
