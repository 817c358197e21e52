"""The contract of every VectorIndex, compared with brute force over the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_samples import DIMENSION, SPEC, clips, unit_vectors, video
from numpy.typing import NDArray

from vidseek.core.types import VideoFilter, VideoState
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.faiss.index import FaissIndex, FaissOptions
from vidseek.storage.vectors.protocol import VectorIndex, best_of

FINGERPRINT = SPEC.fingerprint
EVERYTHING = VideoFilter()

MakeIndex = Callable[..., VectorIndex]

EXACT = ["Flat"]
ROUGH = ["HNSW32", "IVF32,SQ8"]


@pytest.fixture(params=EXACT + ROUGH)
def factory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_index(store: LibraryStore, factory: str) -> MakeIndex:
    """A function that opens the library's index as a new process would."""

    def make(**options: object) -> VectorIndex:
        return FaissIndex(
            store.folder / "vectors" / "index",
            store.clip_vectors,
            SPEC,
            options=FaissOptions(factory=factory, tail_at_least=1, **options),  # type: ignore[arg-type]
        )

    return make


def add(store: LibraryStore, path: str, count: int, seed: int) -> int:
    return store.videos.add(video(path), clips(count, seed, frames=1), fingerprint=FINGERPRINT).id


def brute_force(
    store: LibraryStore,
    queries: NDArray[np.float32],
    k: int,
    where: VideoFilter = EVERYTHING,
    exclude: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    ids = store.clip_vectors.ids(where, FINGERPRINT)
    if exclude is not None:
        ids = np.setdiff1d(ids, exclude)
    vectors = store.clip_vectors.read(ids, FINGERPRINT)
    scores = queries @ vectors.T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.full((len(queries), k), -1)
    best = np.full((len(queries), k), -np.inf, np.float32)
    found[:, : order.shape[1]] = ids[order]
    best[:, : order.shape[1]] = np.take_along_axis(scores, order, axis=1)
    return best, found


def assert_same_answers(
    index: VectorIndex,
    store: LibraryStore,
    queries: NDArray[np.float32],
    k: int,
    *,
    where: VideoFilter = EVERYTHING,
    exclude: NDArray[np.int64] | None = None,
    recall: float = 1.0,
) -> None:
    scores, ids = index.search(queries, k, where=where, exclude=exclude)
    expected_scores, expected_ids = brute_force(store, queries, k, where, exclude)
    assert scores.shape == ids.shape == (len(queries), k)
    assert (scores.dtype, ids.dtype) == (np.float32, np.int64)
    assert (scores[:, 1:] <= scores[:, :-1]).all()
    assert np.array_equal(ids >= 0, expected_ids >= 0)  # as many hits as there can be
    hits = ids >= 0
    recalls: list[float] = []
    for row, query in enumerate(queries):
        known = store.clip_vectors.read(ids[row][hits[row]], FINGERPRINT)
        assert np.allclose(known @ query, scores[row][hits[row]], atol=1e-5)
        if exclude is not None:
            assert not np.isin(ids[row][hits[row]], exclude).any()
        if hits[row].any():
            recalls.append(float(np.isin(expected_ids[row][hits[row]], ids[row]).mean()))
    assert recall == 1.0 or np.mean(recalls or [1.0]) >= recall
    if recall == 1.0:
        assert np.allclose(scores[hits], expected_scores[hits], atol=1e-5)


def test_empty_library_answers_with_nothing(make_index: MakeIndex) -> None:
    index = make_index()
    scores, ids = index.search(unit_vectors(2, 1), 3)
    assert (ids == -1).all()
    assert np.isneginf(scores).all()
    assert len(index) == 0
    index.compact()
    assert index.search(unit_vectors(0, 1), 3)[1].shape == (0, 3)


def test_unknown_encoder_answers_with_nothing(tmp_path: Path) -> None:
    with LibraryStore.open(tmp_path / "new", create=True) as store:
        index = store.vector_index(SPEC)
        index.compact(force=True)
        assert (index.search(unit_vectors(1, 1), 3)[1] == -1).all()
        store.encoders.register(SPEC)
        add(store, "/v/a.mp4", 2, seed=1)
        index.refresh()
        assert len(index) == 2


def test_what_was_added_is_found_before_and_after_compacting(
    store: LibraryStore, make_index: MakeIndex
) -> None:
    index = make_index()
    queries = unit_vectors(3, 99)
    for number in range(4):
        add(store, f"/v/{number}.mp4", 400, seed=number)
        index.refresh()
        assert len(index) == 400 * (number + 1)
        assert_same_answers(index, store, queries, 10)
        if number % 2:
            index.compact()
            assert not index.needs_compaction
            assert_same_answers(index, store, queries, 10)
    assert_same_answers(make_index(), store, queries, 10)
    assert index.verify(repair=False) == []


def test_what_left_is_not_found_and_comes_back(store: LibraryStore, make_index: MakeIndex) -> None:
    first = add(store, "/v/a.mp4", 300, seed=1)
    second = add(store, "/v/b.mp4", 300, seed=2)
    index = make_index()
    index.compact()
    third = add(store, "/v/c.mp4", 30, seed=3)
    index.refresh()
    queries = unit_vectors(3, 98)
    for change in (
        lambda: store.videos.set_state([first, third], VideoState.MISSING),
        lambda: store.videos.relink(first, Path("/w/a.mp4"), 1, 1),
        lambda: store.videos.remove([second]),
        lambda: store.videos.add_copy(first, video("/w/copy.mp4")),
    ):
        change()
        index.refresh()
        assert_same_answers(index, store, queries, 20)
        assert_same_answers(make_index(), store, queries, 20)
    index.compact(force=True)
    assert_same_answers(index, store, queries, 20)
    assert_same_answers(make_index(), store, queries, 20)
    assert index.verify(repair=False) == []


@pytest.mark.parametrize("share", [0.0, 0.001, 0.04, 0.3, 0.9, 1.0])
def test_filtered_search_finds_the_best_of_what_is_allowed(
    store: LibraryStore, make_index: MakeIndex, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.storage.vectors.faiss.segment._FEW", 50)
    monkeypatch.setattr("vidseek.storage.vectors.faiss.segment._FEW_STORED", 50)
    for number in range(3):
        add(store, f"/v/{number}.mp4", 1000, seed=number)
    index = make_index()
    index.compact()
    add(store, "/v/tail.mp4", 100, seed=50)
    index.refresh()
    every = store.clip_vectors.ids(EVERYTHING, FINGERPRINT)
    random = np.random.default_rng(0)
    exclude = random.permutation(every)[: round((1 - share) * len(every))]
    assert index.count(exclude=exclude) == len(every) - len(exclude)
    elsewhere = np.array([0, 10**12])  # ids that are not in the library do no harm
    exclude = np.concatenate([exclude, elsewhere])
    assert_same_answers(index, store, unit_vectors(4, 97), 10, exclude=exclude, recall=0.7)


def test_a_filter_is_read_again_when_the_library_has_changed(
    store: LibraryStore, make_index: MakeIndex
) -> None:
    queries = unit_vectors(2, 96)
    for number in range(3):
        add(store, f"/v/{number}.mp4", 100, seed=number)
    index = make_index()
    index.compact()
    add(store, "/w/3.mp4", 20, seed=3)
    index.refresh()
    below = VideoFilter(path_glob="/w/*")
    assert index.count(where=below) == 20
    assert_same_answers(index, store, queries, 5, where=below, recall=0.7)
    moved = store.videos.at(Path("/v/1.mp4"))
    assert moved is not None
    store.videos.relocate(moved.path, Path("/w/1.mp4"))  # no change of what is searched
    assert index.count(where=below) == 120
    own = np.array([clip.id for clip in store.videos.clips(moved.id)])
    assert index.count(where=below, exclude=own) == 20
    assert_same_answers(index, store, queries, 200, where=below, exclude=own, recall=0.7)


@pytest.mark.parametrize("k", [1, 7, 600, 1_000_000])
def test_any_number_of_hits_can_be_asked_for(
    store: LibraryStore, make_index: MakeIndex, k: int
) -> None:
    add(store, "/v/a.mp4", 500, seed=1)
    index = make_index()
    index.compact()
    add(store, "/v/b.mp4", 50, seed=2)
    index.refresh()
    assert_same_answers(index, store, unit_vectors(2, 96), k, recall=0.9)


def test_rough_indexes_find_nearly_all(
    store: LibraryStore, make_index: MakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.storage.vectors.faiss.segment._FEW", 0)
    monkeypatch.setattr("vidseek.storage.vectors.faiss.segment._FEW_STORED", 0)
    for number in range(4):
        add(store, f"/v/{number}.mp4", 1000, seed=number)
    index = make_index()
    index.compact()
    queries = unit_vectors(50, 95)
    _, ids = index.search(queries, 10)
    _, expected = brute_force(store, queries, 10)
    recall = np.mean([np.isin(e, f).mean() for e, f in zip(expected, ids, strict=True)])
    print(f"recall at 10: {recall:.3f}")
    assert recall >= 0.75  # random vectors are the hardest case there is


@pytest.mark.parametrize("bad", ["shape", "nan", "k"])
def test_nonsense_is_refused(make_index: MakeIndex, bad: str) -> None:
    queries = unit_vectors(1, 1)
    k = 0 if bad == "k" else 3
    if bad == "shape":
        queries = queries[:, :5]
    if bad == "nan":
        queries[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"queries|k must"):
        make_index().search(queries, k)


def test_searching_goes_on_while_others_write_and_compact(
    store: LibraryStore, make_index: MakeIndex
) -> None:
    """Every search sees whole videos only: 20 clips each, all of one direction."""
    index = make_index()
    direction = unit_vectors(1, 1)
    made = [
        clip.__class__(clip.span, clip.frame_seconds, direction[0], clip.frames)
        for clip in clips(20, 1, frames=1)
    ]
    for number in range(10):
        store.videos.add(video(f"/v/{number}.mp4"), made, fingerprint=FINGERPRINT)
    index.compact(force=True)
    failures: list[BaseException] = []
    searches = 0
    done = threading.Event()

    def search() -> None:
        nonlocal searches
        try:
            while not done.is_set():
                _, ids = index.search(direction, 10_000)
                assert (ids >= 0).sum() % 20 == 0
                assert len(np.unique(ids[ids >= 0])) == (ids >= 0).sum()
                searches += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10, 20):
        store.videos.add(video(f"/v/{number}.mp4"), made, fingerprint=FINGERPRINT)
        store.videos.remove([number - 9])
        index.refresh()
        if number % 5 == 0:
            index.compact(force=True)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert searches > 0
    assert len(index) == 200


def test_two_processes_views_agree(store: LibraryStore, make_index: MakeIndex) -> None:
    """A reader continues on its open base, and uses the new one after a refresh."""
    writer, reader = make_index(), make_index()
    add(store, "/v/a.mp4", 500, seed=1)
    writer.compact()
    queries = unit_vectors(2, 94)
    reader.refresh()
    add(store, "/v/b.mp4", 500, seed=2)
    writer.compact(force=True)
    old = reader.search(queries, 5)
    assert (old[1] <= 500).all()  # it has not refreshed
    reader.refresh()
    assert_same_answers(reader, store, queries, 5)
    bases = [path for path in (store.folder / "vectors" / "index").iterdir() if "base" in path.name]
    assert len(bases) == 1


@pytest.mark.parametrize("seed", range(3))
def test_equal_scores_come_in_the_order_of_ids(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 4, (3, 200)).astype(np.float32)
    ids = np.arange(200) * 2
    best, found = best_of(scores, ids, 17)
    for row in range(3):
        order = sorted(range(200), key=lambda at: (-scores[row, at], ids[at]))[:17]
        assert found[row].tolist() == ids[order].tolist()
        assert best[row].tolist() == scores[row, order].tolist()


filters = st.sampled_from(["", "/v/*", "/v/[0-2]", "/w/*"]).map(
    lambda glob: VideoFilter(path_glob=glob or None)
)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.integers(1, 6)),
        st.tuples(st.just("copy"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("missing"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("relink"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("refresh"), st.just(0), st.just(0)),
        st.tuples(st.just("compact"), st.just(0), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=operations,
    k=st.integers(1, 12),
    excluded=st.none() | st.sets(st.integers(1, 60)),
    where=filters,
)
def test_flat_always_equals_brute_force(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, int]],
    k: int,
    excluded: set[int] | None,
    where: VideoFilter,
) -> None:
    with LibraryStore.open(tmp_path_factory.mktemp("any") / "library", create=True) as store:
        store.encoders.register(SPEC)

        def open_index() -> FaissIndex:
            return FaissIndex(store.folder / "vectors" / "index", store.clip_vectors, SPEC)

        index = open_index()
        for step, (name, first, second) in enumerate(steps):
            there = store.videos.at(Path(f"/v/{first}"))
            if name == "add":
                add(store, f"/v/{first}", second, seed=step)
            elif name == "refresh":
                index.refresh()
            elif name == "compact":
                index.compact(force=True)
            elif name == "reopen":
                index = open_index()
            elif there is None:
                continue
            elif name == "copy" and first != second:
                store.videos.add_copy(there.id, video(f"/v/{second}"))
            elif name == "remove":
                store.videos.remove([there.id])
            elif name == "missing":
                store.videos.set_state([there.id], VideoState.MISSING)
            elif name == "relink":
                store.videos.relink(there.id, Path(f"/v/{second}"), 1, 1)
        index.refresh()
        exclude = None if excluded is None else np.array(sorted(excluded), dtype=np.int64)
        queries = unit_vectors(2, 93)
        assert_same_answers(index, store, queries, k, where=where, exclude=exclude)
        matching = np.setdiff1d(store.clip_vectors.ids(where, FINGERPRINT), list(excluded or ()))
        assert index.count(where=where, exclude=exclude) == len(matching)
        assert store.find_problems() == []
        assert index.dimension == DIMENSION
