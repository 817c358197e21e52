"""What the endpoints share: look-ups that stay cheap in a large library, and kept uploads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from library_samples import SPEC, clips, video
from sqlalchemy import Engine, event

from vidseek import Library
from vidseek.core.errors import PathNotFoundError
from vidseek.storage.store import LibraryStore
from vidseek.web.api.check import place_upload
from vidseek.web.api.duplicates import read_groups
from vidseek.web.problems import ProblemError
from vidseek.web.roots import MediaRoots
from vidseek.web.service import Service
from vidseek.web.settings import ServerSettings
from vidseek.web.uploads import ReceivedUpload


def add(folder: Path, name: str, seed: int) -> int:
    with LibraryStore.open(folder / "library", create=True) as store:
        store.encoders.register(SPEC)
        film = video(str(folder / "films" / name))
        return store.videos.add(film, clips(3, seed), fingerprint=SPEC.fingerprint).id


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "films" / "incoming").mkdir(parents=True)
    add(tmp_path, "a.mp4", 1)
    settings = ServerSettings(
        library=tmp_path / "library",
        roots=(tmp_path / "films",),
        uploads=tmp_path / "films" / "incoming",
    )
    service = Service(settings)
    yield service
    service.close()


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that is run meanwhile."""
    run: list[str] = []

    def note(connection, cursor, statement, *_: object) -> None:
        run.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield run
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_a_video_is_looked_up_without_its_clips(service: Service, tmp_path: Path) -> None:
    video_id = add(tmp_path, "b.mp4", 2)
    with statements() as run:
        assert service.shown_video(video_id).path == tmp_path / "films" / "b.mp4"
    assert run
    assert not any("clips" in statement for statement in run)
    assert len(service.shown_details(video_id).clips) == 3
    for unknown in (video_id + 1, 0, 2**63):
        with pytest.raises(PathNotFoundError):
            service.shown_video(unknown)


def test_contents_are_counted_once_until_the_library_changes(
    service: Service, tmp_path: Path
) -> None:
    assert (service.health().videos, service.health().clips) == (1, 3)
    with statements() as run:
        assert service.health().model == SPEC.source
        service.hidden_texts(None)
        service.metrics.text()
    assert not any("count(" in statement for statement in run)
    add(tmp_path, "b.mp4", 2)
    assert (service.health().videos, service.health().clips) == (2, 6)
    assert b"vidseek_clips 6.0" in service.metrics.text()


def test_an_upload_that_cannot_be_kept_leaves_nothing(service: Service, tmp_path: Path) -> None:
    incoming = tmp_path / "films" / "incoming"
    gone = ReceivedUpload(tmp_path / "gone", "film.mp4", {})
    with pytest.raises(ProblemError) as caught:
        place_upload(service, gone, incoming)
    assert caught.value.status_code == 507
    assert list(incoming.iterdir()) == []

    (tmp_path / "upload").write_bytes(b"film")
    upload = ReceivedUpload(tmp_path / "upload", "film.mp4", {})
    assert place_upload(service, upload, incoming).read_bytes() == b"film"
    assert place_upload(service, upload, incoming).name == "film-2.mp4"

    with pytest.raises(ProblemError) as caught:
        place_upload(service, upload, tmp_path / "films" / "away")
    assert caught.value.status_code == 507


def test_many_paths_are_inside_the_roots_as_each_alone_is(tmp_path: Path) -> None:
    for folder in ("films/deep", "away"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.mp4").write_bytes(b"film")
    (tmp_path / "films" / "out.mp4").symlink_to(tmp_path / "away" / "a.mp4")
    (tmp_path / "films" / "in.mp4").symlink_to(tmp_path / "films" / "deep" / "a.mp4")
    (tmp_path / "films" / "outside").symlink_to(tmp_path / "away")
    (tmp_path / "away" / "back").symlink_to(tmp_path / "films" / "deep")
    roots = MediaRoots([tmp_path / "films"])
    names = (
        "films/deep/a.mp4",
        "films/gone/b.mp4",
        "films/in.mp4",
        "away/back/a.mp4",
        "films/out.mp4",
        "films/outside/a.mp4",
        "away/a.mp4",
    )
    paths = [tmp_path / name for name in names]
    assert [roots.contain(path) for path in paths] == [True] * 4 + [False] * 3
    assert [str(path.relative_to(tmp_path)) for path in roots.inside(paths)] == list(names[:4])


def test_groups_of_duplicates_are_made_once_until_the_library_changes(
    service: Service, tmp_path: Path
) -> None:
    assert read_groups(service, 5, None).total == 0
    with statements() as run:
        assert read_groups(service, 5, None).total == 0
    assert not any("copy_matches" in statement for statement in run)
    with LibraryStore.open(tmp_path / "library") as store:
        first, second = (
            store.videos.add(
                video(str(tmp_path / "films" / name), content_hash="7" * 64),
                clips(3, 7),
                fingerprint=SPEC.fingerprint,
            )
            for name in ("c.mp4", "d.mp4")
        )
    (group,) = read_groups(service, 5, None).groups
    assert {member.video.id for member in group.members} == {first.id, second.id}


def test_a_service_that_is_refused_closes_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "a.mp4", 1)
    closed: list[Library] = []
    close = Library.close

    def note(library: Library) -> None:
        closed.append(library)
        close(library)

    monkeypatch.setattr(Library, "close", note)
    missing = ServerSettings(library=tmp_path / "library", roots=(tmp_path / "missing",))
    with pytest.raises(PathNotFoundError):
        Service(missing)
    assert len(closed) == 1
