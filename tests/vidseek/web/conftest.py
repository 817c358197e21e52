from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from web_server import RunningServer, running


@pytest.fixture(scope="session")
def server(indexed_master: Path, footage_master: Path) -> Iterator[RunningServer]:
    """A server of the library of ``footage_master``, which no test may change."""
    with running(indexed_master, footage_master) as served:
        yield served
