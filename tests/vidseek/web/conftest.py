from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from web_server import RunningServer

# Without the extra `web` there is no server to test; in CI that is an error.
if find_spec("fastapi") is None and os.environ.get("VIDSEEK_SKIP_IS_FAILURE") != "1":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def server(indexed_master: Path, footage_master: Path) -> Iterator[RunningServer]:
    """A server of the library of ``footage_master``, which no test may change."""
    from web_server import running

    with running(indexed_master, footage_master) as served:
        yield served
