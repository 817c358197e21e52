"""Models shared within a process: loaded once, by one thread, and kept while in use."""

from __future__ import annotations

import gc
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_videos import write_colours
from palette_encoder import HeadlessEncoder, PaletteEncoder

import vidseek
from vidseek.core.errors import WeightsError
from vidseek.encoders import pool as pool_module
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.pool import EncoderPool

TIMEOUT_SECONDS = 30
PALETTE, SECOND = "/models/palette", "/models/second"
"""Named like models in folders: those of a program itself are not loaded by name."""


class Factory:
    """Makes palette encoders in place of ``create_encoder``, when it is allowed to."""

    def __init__(self, *blocked: str) -> None:
        self.made: list[str] = []
        self.arguments: dict[str, object] = {}
        self.failure: BaseException | None = None
        self.entered = threading.Event()
        self.allowed = threading.Event()
        self._blocked = blocked

    def __call__(self, name: str, **arguments: object) -> PaletteEncoder:
        self.made.append(name)
        self.arguments = arguments
        if name in self._blocked:
            self.entered.set()
            assert self.allowed.wait(TIMEOUT_SECONDS)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return HeadlessEncoder(name)


def test_a_model_is_loaded_once_while_it_is_in_use():
    factory = Factory()
    pool = EncoderPool(create=factory)
    first = pool.get("palette")
    assert pool.get("palette") is first
    assert pool.get("other") is not first
    assert factory.made == ["palette", "other"]
    del first
    gc.collect()
    pool.get("palette")
    assert factory.made == ["palette", "other", "palette"]


def test_threads_that_ask_for_the_same_model_wait_for_one_load():
    factory = Factory("palette")
    pool = EncoderPool(create=factory)
    with ThreadPoolExecutor(4) as executor:
        waiting = [executor.submit(pool.get, "palette") for _ in range(4)]
        assert factory.entered.wait(TIMEOUT_SECONDS)
        assert pool.get("other").spec.source == "other"  # does not wait
        factory.allowed.set()
        assert len({id(each.result(TIMEOUT_SECONDS)) for each in waiting}) == 1
    assert factory.made == ["palette", "other"]


def test_a_failed_load_is_tried_again():
    factory = Factory("palette")
    pool = EncoderPool(create=factory)
    factory.failure = WeightsError("damaged")
    with ThreadPoolExecutor(2) as executor:
        waiting = [executor.submit(pool.get, "palette") for _ in range(2)]
        assert factory.entered.wait(TIMEOUT_SECONDS)
        factory.allowed.set()
        errors = [each.exception(TIMEOUT_SECONDS) for each in waiting]
    assert any(isinstance(error, WeightsError) for error in errors)
    assert pool.get("palette").spec.source == "palette"


def test_an_interrupt_reaches_one_thread_only():
    factory = Factory("palette")
    pool = EncoderPool(create=factory)
    factory.failure = KeyboardInterrupt()
    with ThreadPoolExecutor(1) as executor:
        interrupted = executor.submit(pool.get, "palette")
        assert factory.entered.wait(TIMEOUT_SECONDS)
        threading.Timer(0.2, factory.allowed.set).start()
        assert pool.get("palette").spec.source == "palette"
        assert isinstance(interrupted.exception(TIMEOUT_SECONDS), KeyboardInterrupt)
    assert factory.made == ["palette", "palette"]


def copied_model(folder: Path) -> Path:
    """The built-in model in a folder of its own, its weights linked."""
    folder.mkdir()
    for path in WEIGHTS_FOLDER.iterdir():
        (folder / path.name).hardlink_to(path)
    manifest = folder / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.unlink()
    manifest.write_text(text, encoding="utf-8")
    return folder


def test_a_folder_whose_files_changed_is_loaded_again(tmp_path):
    folder = copied_model(tmp_path / "model")
    pool = EncoderPool()
    before = pool.get(str(folder))
    assert pool.get(f"{folder}/../model") is before
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["spec"]["revision"] += "-changed"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    after = pool.get(str(folder))
    assert after is not before
    assert after.spec.revision == f"{before.spec.revision}-changed"


def test_a_repository_is_the_same_model_with_and_without_its_commit():
    def create(name: str, **_: object) -> PaletteEncoder:
        encoder = PaletteEncoder(name)
        encoder.spec = replace(
            encoder.spec, source="hf:a/b@c0ffee", kind="third-party", family="clip"
        )
        return encoder

    pool = EncoderPool(create=create)
    encoder = pool.get("hf:a/b")
    assert pool.get("hf:a/b@c0ffee") is encoder
    assert pool.get("hf:a/b") is encoder


def test_models_get_the_pools_threads_and_a_head_shares_its_base():
    factory = Factory()
    pool = EncoderPool(threads=3, create=factory)
    base = pool.get("palette")
    assert factory.arguments["threads"] == 3
    assert factory.arguments["create_base"]("palette") is base


def test_the_copy_descriptor_is_shared():
    pool = EncoderPool()
    descriptor = pool.copy_descriptor()
    assert pool.copy_descriptor() is descriptor


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A library that is encoded with two trained palettes, which nothing has loaded yet."""
    write_colours(tmp_path / "films" / "a.mp4", ["red", "blue"])
    monkeypatch.setattr(pool_module, "_POOL", EncoderPool(create=Factory()))
    with vidseek.open(tmp_path / "library", encoder=PALETTE) as library:
        library.index(tmp_path / "films")
        library.models.add(SECOND, switch=False)
    return tmp_path / "library"


def test_two_libraries_share_their_models_until_both_are_closed(folder, monkeypatch):
    factory = Factory()
    monkeypatch.setattr(pool_module, "_POOL", EncoderPool(create=factory))
    first, second = vidseek.open(folder), vidseek.open(folder)
    assert first.encoder is second.encoder
    assert first._copy_descriptor is second._copy_descriptor
    assert factory.made == [PALETTE]
    first.search("red")
    first.close()
    gc.collect()
    assert second.search("red")
    with vidseek.open(folder) as third:
        assert third.encoder is second.encoder
    second.close()
    gc.collect()
    assert len(pool_module._POOL._loaded) == 0


def test_a_search_does_not_wait_for_another_model(folder, monkeypatch):
    factory = Factory(SECOND)
    monkeypatch.setattr(pool_module, "_POOL", EncoderPool(create=factory))
    with vidseek.open(folder) as library, ThreadPoolExecutor(2) as executor:
        slow = executor.submit(library.search, "red", model=SECOND)
        assert factory.entered.wait(TIMEOUT_SECONDS)
        quick = executor.submit(library.search, "red")
        hits = quick.result(TIMEOUT_SECONDS)  # although the other is not loaded yet
        assert not slow.done()
        factory.allowed.set()
        scores = [[hit.score for hit in found] for found in (hits, slow.result(TIMEOUT_SECONDS))]
    assert np.allclose(*scores)


def test_a_library_tries_a_model_again_that_could_not_be_loaded(folder, monkeypatch):
    factory = Factory()
    monkeypatch.setattr(pool_module, "_POOL", EncoderPool(create=factory))
    factory.failure = WeightsError("its disk is not mounted")
    with vidseek.open(folder) as library:
        with pytest.raises(WeightsError):
            library.search("red")
        assert library.search("red")
