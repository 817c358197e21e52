"""An empty library on SQLite, or on PostgreSQL if it is installed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from library_samples import SPEC

from vidseek.storage.store import LibraryStore


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A function that creates an empty database on a real server."""
    import pgserver
    from sqlalchemy import create_engine

    for attempt in range(3):
        folder = tmp_path_factory.mktemp("postgresql")
        try:
            server = pgserver.get_server(folder, cleanup_mode="stop")
            break
        except subprocess.TimeoutExpired:  # pgserver waits 10 s, too little on a busy machine
            if attempt == 2:
                raise
    admin = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    made = 0

    def fresh() -> str:
        nonlocal made
        made += 1
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE library{made}")
        return admin.replace("/postgres?", f"/library{made}?")

    yield fresh
    engine.dispose()
    server.cleanup()


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def store(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[LibraryStore]:
    """A library on the backend that the test is parametrised with."""
    url = None
    if backend == "postgresql":
        url = request.getfixturevalue("postgres_url")()
    with LibraryStore.open(tmp_path / "library", create=True, database_url=url) as opened:
        opened.encoders.register(SPEC)
        yield opened
