"""schemathesis: requests made from the OpenAPI document get documented answers, and no 5xx."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_server import RunningServer, running

pytestmark = pytest.mark.full

TIMEOUT_SECONDS = 300
"""Of a request: the first labels of a busy machine take many seconds."""


@pytest.fixture(scope="module")
def served(indexed_master: Path, footage_master: Path, tmp_path_factory) -> Iterator[RunningServer]:
    library = shutil.copytree(indexed_master, tmp_path_factory.mktemp("schema") / "library")
    with running(library, footage_master) as server:
        yield server


def test_every_answer_is_documented_and_none_is_a_server_error(served: RunningServer) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi import checks

    wanted = [
        schemathesis.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    place = f"http://127.0.0.1:{served.port}"
    document = schemathesis.openapi.from_url(f"{place}/api/v1/openapi.json")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:

        @settings(
            max_examples=15,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers(case) -> None:
            _choose_moments(case.body)
            case.call_and_validate(base_url=place, checks=wanted, timeout=TIMEOUT_SECONDS)

        answers()


def _choose_moments(body: object) -> None:
    """Export moments that may be there: those of the document are at random."""
    moments = body.get("moments") if isinstance(body, dict) else None
    for number, moment in enumerate(moments if isinstance(moments, list) else ()):
        if isinstance(moment, dict) and moment:
            start = number % 3 / 7
            moment |= {
                "video_id": number % 4 + 1,
                "start_seconds": start,
                "end_seconds": start + 0.5,
            }
