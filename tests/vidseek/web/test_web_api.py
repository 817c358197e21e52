"""The endpoints that read: shapes, pages, ranges and tags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from web_server import RunningServer

import vidseek
from vidseek import TimeSpan
from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE


def ids_by_name(server: RunningServer) -> dict[str, int]:
    return {Path(each["path"]).name: each["id"] for each in server.get("/videos").json["videos"]}


def test_health_says_what_the_library_holds(server: RunningServer) -> None:
    health = server.get("/health").json
    assert health["status"] == "ok"
    assert health["version"] == vidseek.__version__
    assert (health["videos"], health["model"]) == (3, "builtin")
    assert health["clips"] >= 4


def test_search_answers_as_the_library_does(server: RunningServer) -> None:
    answer = server.post("/search", {"text": "a cat", "k": 2})
    assert answer.status == 200
    hits = answer.json["hits"]
    expected = server.service.library.search("a cat", 2)
    assert [hit["path"] for hit in hits] == [str(hit.video.path) for hit in expected]
    assert [hit["score"] for hit in hits] == pytest.approx(
        [hit.score for hit in expected], abs=1e-6
    )
    assert hits[0]["confidence"] == pytest.approx(expected[0].confidence, abs=1e-4)
    assert server.request("GET", hits[0]["thumbnail_url"]).body.startswith(b"\xff\xd8\xff")


def test_pages_of_hits_are_the_whole_list(server: RunningServer) -> None:
    whole = server.post("/search", {"text": "a thing", "k": 50}).json
    assert whole["next_cursor"] is None
    paged, cursor = [], None
    while True:
        page = server.post("/search", {"text": "a thing", "k": 1, "cursor": cursor}).json
        paged += page["hits"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [hit["score"] for hit in paged] == [hit["score"] for hit in whole["hits"]]
    other = server.post("/search", {"text": "another", "k": 1, "cursor": "bm90aGluZw=="})
    assert (other.status, other.code) == (422, "bad_query")


def test_hits_by_date_are_the_best_ones_newest_first(server: RunningServer) -> None:
    best = server.post("/search", {"text": "a cat", "k": 200}).json["hits"]
    paged, cursor = [], None
    while True:
        query = {"text": "a cat", "order": "date", "k": 2, "cursor": cursor}
        page = server.post("/search", query).json
        paged += page["hits"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    def place(hit: dict) -> tuple:
        return hit["video_id"], hit["start_seconds"]

    assert sorted(paged, key=place) == sorted(best, key=place)
    likely = [hit["confidence"] >= DEFAULT_MIN_CONFIDENCE for hit in paged]
    assert likely == sorted(likely, reverse=True)
    for is_likely in (True, False):
        dates = [
            hit["modified"]
            for hit in paged
            if (hit["confidence"] >= DEFAULT_MIN_CONFIDENCE) is is_likely
        ]
        assert dates == sorted(dates, reverse=True)
    other = server.post("/search", {"text": "a cat", "order": "date", "cursor": "bm90aGluZw=="})
    assert (other.status, other.code) == (422, "bad_query")


def test_a_filter_restricts_the_answer(server: RunningServer) -> None:
    found = server.post("/search", {"text": "a cat", "where": {"path_glob": "kitchen/*"}}).json
    assert {Path(hit["path"]).parent.name for hit in found["hits"]} == {"kitchen"}


def test_a_sequence_has_steps(server: RunningServer) -> None:
    query = {"text": "a motorcycle", "then": ["a page of text"], "within_seconds": 10}
    best = server.post("/search", query).json["hits"][0]
    assert Path(best["path"]).name == "errands.mp4"
    first, last = best["steps"]
    assert (first["start_seconds"], last["end_seconds"]) == (
        best["start_seconds"],
        best["end_seconds"],
    )
    assert first["end_seconds"] <= last["start_seconds"]
    plain = server.post("/search", {"text": "a motorcycle"}).json["hits"][0]
    assert plain["steps"] == []
    long = server.post("/search", {"text": "a cat", "then": ["a dog"] * 15}).json
    assert (long["hits"], [each["code"] for each in long["warnings"]]) == ([], ["no_sequence"])


@pytest.mark.parametrize(
    "members",
    [
        {"then": [""]},
        {"then": [" "]},
        {"then": ["a dog"] * 16},
        {"then": ["a dog"], "within_seconds": 0},
        {"then": ["a dog"], "refine_spans": True},
        {"within_seconds": 5},
        {"then": "a dog"},
    ],
)
def test_impossible_sequences_are_refused(server: RunningServer, members: dict) -> None:
    assert server.post("/search", {"text": "a cat", **members}).status == 422


def test_similar_finds_a_part_of_a_video_and_can_leave_it_out(server: RunningServer) -> None:
    errands = ids_by_name(server)["errands.mp4"]
    part = {"video_id": errands, "start_seconds": 0, "end_seconds": 2.5}
    assert server.post("/similar", part).json["hits"][0]["video_id"] == errands
    others = server.post("/similar", {"video_id": errands, "exclude_itself": True}).json["hits"]
    assert errands not in [hit["video_id"] for hit in others]


def test_a_moment_can_be_left_out_of_a_search(server: RunningServer) -> None:
    found = server.post("/search", {"text": "a cat", "k": 1}).json["hits"][0]
    moment = {name: found[name] for name in ("video_id", "start_seconds", "end_seconds")}
    others = server.post("/search", {"text": "a cat", "k": 1, "not_like": moment}).json["hits"]
    assert others[0]["video_id"] != found["video_id"]
    assert others[0]["confidence"] is None
    expected = server.service.library.search(
        "a cat",
        1,
        not_like=Path(found["path"]),
        not_like_span=TimeSpan(found["start_seconds"], found["end_seconds"]),
    )
    assert others[0]["score"] == pytest.approx(expected[0].score, abs=1e-5)
    whole = {"text": "a cat", "not_like": {"video_id": found["video_id"]}}
    assert server.post("/search", whole).status == 200


@pytest.mark.parametrize(
    ("not_like", "status"),
    [
        ({"video_id": 999}, 404),
        ({"video_id": 1, "start_seconds": 1}, 422),
        ({"video_id": 1, "start_seconds": 900, "end_seconds": 901}, 422),
        ({"path": "/etc/passwd"}, 422),
    ],
)
def test_an_impossible_moment_is_refused(
    server: RunningServer, not_like: dict, status: int
) -> None:
    assert server.post("/search", {"text": "a cat", "not_like": not_like}).status == status


def test_videos_come_page_by_page_in_every_order(server: RunningServer) -> None:
    for order in ("path", "newest", "longest"):
        whole = server.get(f"/videos?order={order}").json
        assert whole["total"] == 4
        first = server.get(f"/videos?order={order}&limit=3").json
        rest = server.get(f"/videos?order={order}&limit=3&cursor={first['next_cursor']}").json
        assert first["videos"] + rest["videos"] == whole["videos"]
        assert rest["next_cursor"] is None
    failed = server.get("/videos?state=failed").json["videos"]
    assert [Path(each["path"]).name for each in failed] == ["notes.mp4"]
    assert failed[0]["failure"]


def test_clips_and_the_curve_cover_the_same_spans(server: RunningServer) -> None:
    errands = ids_by_name(server)["errands.mp4"]
    clips = server.get(f"/videos/{errands}/clips").json["clips"]
    curve = server.get(f"/videos/{errands}/similarity?text=a%20motorcycle").json["points"]
    spans = [(clip["start_seconds"], clip["end_seconds"]) for clip in clips]
    assert spans == [(point["start_seconds"], point["end_seconds"]) for point in curve]
    assert curve[0]["score"] > curve[-1]["score"]
    assert server.request("GET", clips[0]["thumbnail_url"]).status == 200


def test_a_thumbnail_has_a_tag_and_is_not_sent_twice(server: RunningServer) -> None:
    url = server.post("/search", {"text": "a cat", "k": 1}).json["hits"][0]["thumbnail_url"]
    first = server.request("GET", url)
    assert first.headers["content-type"] == "image/jpeg"
    again = server.request("GET", url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        (None, 200, 0, None),
        ("bytes=0-99", 206, 0, 100),
        ("bytes=100-", 206, 100, None),
        ("bytes=-50", 206, -50, None),
        ("bytes=0-99999999999", 206, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=9-3", 200, 0, None),
    ],
)
def test_media_answers_ranges(
    server: RunningServer, asked: str | None, status: int, start: int, end: int | None
) -> None:
    video_id = ids_by_name(server)["cat.mp4"]
    content = server.service.library.video(video_id).video.path.read_bytes()
    answer = server.get(f"/media/{video_id}", **({} if asked is None else {"Range": asked}))
    assert (answer.status, answer.body) == (status, content[start:end])
    assert answer.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_beyond_the_file_is_refused(server: RunningServer, asked: str) -> None:
    video_id = ids_by_name(server)["cat.mp4"]
    answer = server.get(f"/media/{video_id}", Range=asked)
    assert (answer.status, answer.code) == (416, "range_not_satisfiable")


def test_if_range_of_another_version_sends_the_whole_file(server: RunningServer) -> None:
    video_id = ids_by_name(server)["cat.mp4"]
    assert server.get(f"/media/{video_id}", Range="bytes=0-9", If_Range='"old"').status == 200
    tag = server.get(f"/media/{video_id}").headers["etag"]
    assert server.get(f"/media/{video_id}", Range="bytes=0-9", If_Range=tag).status == 206


def test_duplicates_are_a_page_of_groups(server: RunningServer) -> None:
    assert server.get("/duplicates").json == {"groups": [], "total": 0, "next_cursor": None}


def test_the_openapi_document_lists_every_endpoint(server: RunningServer) -> None:
    document = server.get("/openapi.json").json
    assert "/api/v1/search" in document["paths"]
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]
    assert "HTTPValidationError" not in json.dumps(document)
