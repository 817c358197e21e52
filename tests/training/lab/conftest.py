"""A data folder of a few pictures, and a tiny training run on it."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from tiny_training import TINY

from vidseek.training.lab.settings import read_settings


def webp(picture: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP")
    return buffer.getvalue()


def write_set(folder: Path, name: str, rows: list[dict]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    random = np.random.default_rng(len(rows))
    for row in rows:
        tint = random.integers(0, 256, 3)
        picture = np.clip(random.normal(tint, 40, (48, 64, 3)), 0, 255).astype(np.uint8)
        row |= {"image": webp(picture)}
    parquet.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A data folder in the real format: noise in different colours, and sentences."""
    root = tmp_path_factory.mktemp("data")
    for name in ("images", "captions", "labels"):
        (root / name).mkdir()
    splits = ["train"] * 8 + ["dev"] * 4 + ["test"] * 2
    write_set(
        root / "images",
        "flickr8k",
        [
            {
                "split": split,
                "label": None,
                "captions": [f"a dog number {place} runs", f"dog {place} in the grass"],
                "group": f"picture{place}",
            }
            for place, split in enumerate(splits)
        ],
    )
    write_set(
        root / "images",
        "msrvtt",
        [
            {
                "split": "train" if video < 6 else "dev",
                "label": None,
                "captions": [f"a man cooks dish {video}"],
                "group": f"video{video}",
            }
            for video in range(10)
            for _ in range(2 + video % 2)
        ],
    )
    for name, other in (("sports100", "valid"), ("caltech101", "test")):
        write_set(
            root / "images",
            name,
            [
                {"split": split, "label": f"{name} kind_{kind}", "captions": [], "group": None}
                for kind in range(3)
                for split in ("train", "train", other)
            ],
        )
    write_set(
        root / "images",
        "misc",
        [
            {"split": "train", "label": f"thing {kind}", "captions": [], "group": "some"}
            for kind in range(4)
        ],
    )
    (root / "captions" / "some.txt.gz").write_bytes(
        gzip.compress(b"a cat sleeps\nsnow falls\na guy is cooking dish 2\na man cooks dish 2\n")
    )
    (root / "labels" / "some.txt").write_text("tench\ngoldfish\n")
    return root


@pytest.fixture(scope="session")
def cache(data, tmp_path_factory) -> Path:
    from vidseek.training.lab.stem_map_cache import cache_pictures

    folder = tmp_path_factory.mktemp("cache")
    for name in ("flickr8k", "msrvtt", "sports100", "caltech101", "misc"):
        cache_pictures(data, name, folder, views=int(name == "flickr8k"))
    return folder


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return read_settings(path)


@pytest.fixture(scope="session")
def run(data, cache, settings, tmp_path_factory) -> Path:
    """The folder of a whole tiny run."""
    from vidseek.training.lab.pipeline import train

    folder = tmp_path_factory.mktemp("run")
    train(settings, data=data, cache=cache, run=folder)
    return folder


@pytest.fixture
def sets(data, cache, settings):
    """The data folder's sets, opened."""
    from vidseek.training.lab.batches import PictureSet

    views = settings.towers.views
    return {
        name: PictureSet.open(data, cache, name, views=views.get(name, 0)) for name in settings.sets
    }


@pytest.fixture
def corpus(data, settings, run):
    """The sentences of the tiny run."""
    from vidseek.training.lab.corpus import Corpus

    return Corpus.prepare(settings.sets, settings.vocabulary, data, run)
