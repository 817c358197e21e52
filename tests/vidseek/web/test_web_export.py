"""``/export``: moments as files, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from web_server import RunningServer


def moments(server: RunningServer) -> list[dict[str, Any]]:
    hits = server.post("/search", {"text": "a cat", "k": 2}).json["hits"]
    names = ("video_id", "start_seconds", "end_seconds")
    return [{name: hit[name] for name in names} for hit in hits]


def test_moments_are_exported_in_their_order(server: RunningServer) -> None:
    wanted = list(reversed(moments(server)))
    answer = server.post("/export", {"format": "json", "moments": wanted})
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    document = json.loads(answer.body)
    exported = document["hits"] if isinstance(document, dict) else document
    paths = [server.get(f"/videos/{each['video_id']}").json["path"] for each in wanted]
    assert [each["path"] for each in exported] == paths
    assert [each["start_seconds"] for each in exported] == [
        each["start_seconds"] for each in wanted
    ]


@pytest.mark.parametrize("format_name", ["csv", "m3u", "html"])
def test_formats_without_a_package_are_written(server: RunningServer, format_name: str) -> None:
    answer = server.post("/export", {"format": format_name, "moments": moments(server)})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert b"cat.mp4" in answer.body


def test_an_unknown_video_format_or_span_is_refused(server: RunningServer) -> None:
    moment = {"video_id": 10**6, "start_seconds": 0, "end_seconds": 1}
    assert server.post("/export", {"format": "csv", "moments": [moment]}).status == 404
    for wrong in (
        {"format": "exe", "moments": moments(server)},
        {"format": "csv", "moments": []},
        {"format": "csv", "moments": [{**moment, "end_seconds": 0}]},
    ):
        assert server.post("/export", wrong).status == 422
