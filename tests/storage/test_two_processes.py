"""Searching while another process writes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from killed_operations import CLIPS, index_of, make_library, run
from library_samples import SPEC, unit_vectors

from vidseek.storage.store import LibraryStore


@pytest.mark.parametrize("operation", ["adding", "removing", "replacing_the_index"])
def test_searching_while_another_process_writes(operation: str, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    make_library(folder)
    context = multiprocessing.get_context("forkserver")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(operation, folder, there))
    queries = unit_vectors(2, 3)
    during = 0
    with LibraryStore.open(folder) as store:
        index = index_of(store)
        process.start()
        while not (here.poll() and here.recv() == "ended"):
            index.refresh()
            with store.snapshot():
                scores, ids = index.search(queries, 10_000)
                found = store.videos.clips_by_id(ids[ids >= 0].tolist())
                store.clip_vectors.frame_features(list(found), SPEC.fingerprint)
            during += 1
            for row, row_scores in zip(ids, scores, strict=True):
                assert (row >= 0).sum() % CLIPS == 0  # whole videos
                assert np.isfinite(row_scores[row >= 0]).all()
        process.join()
        assert process.exitcode == 0
        index.refresh()
        assert index.verify(repair=False) == []
    assert during > 0
