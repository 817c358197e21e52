"""What the server refuses, and with which status."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from urllib.parse import urlencode

import pytest
from web_server import RunningServer, answer_of, running


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1234", 200),
        ("[::1]:8765", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_only_names_of_this_machine_are_answered(
    server: RunningServer, host: str, status: int
) -> None:
    assert server.get("/health", Host=host).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_requests_of_other_sites_are_refused(
    server: RunningServer, headers: dict[str, str], status: int
) -> None:
    given = {name: value.format(port=server.port) for name, value in headers.items()}
    answer = server.post("/search", {"text": "a cat"}, **given)
    assert answer.status == status
    if status == 403:
        assert answer.code == "wrong_origin"


def test_another_site_cannot_embed_media_but_may_link_to_the_page(server: RunningServer) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert server.get("/media/1", **foreign, Sec_Fetch_Mode="no-cors").status == 403
    link = {**foreign, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert server.request("GET", "/", headers=link).status == 200
    assert server.get("/health").headers["cross-origin-resource-policy"] == "same-origin"


def test_the_token_is_asked_for_once(indexed_master: Path, footage_master: Path) -> None:
    with running(indexed_master, footage_master, token="open sesame, open") as server:
        assert server.get("/health").code == "token_needed"
        assert server.get("/health", Authorization="Bearer wrong").status == 401
        assert server.get("/health", Authorization="Bearer open sesame, open").status == 200
        page = server.request("GET", "/", headers={"Accept": "text/html"})
        assert (page.status, page.headers["location"]) == (303, "/login")
        assert server.request("GET", "/login").status == 200
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        wrong = server.request("POST", "/login", body=b"token=wrong", headers=form)
        assert wrong.status == 401
        assert "set-cookie" not in wrong.headers
        right = server.request("POST", "/login", body=b"token=open+sesame%2C+open", headers=form)
        assert right.status == 303
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "open" not in cookie
        assert server.get("/health", Cookie=cookie.partition(";")[0]).status == 200


def test_after_the_token_comes_the_page_that_was_asked_for(
    indexed_master: Path, footage_master: Path
) -> None:
    with running(indexed_master, footage_master, token="open") as server:
        page = {"Accept": "text/html"}
        asked = server.request("GET", "/?q=a+%22cat%22&group=1", headers=page)
        login = asked.headers["location"]
        assert login == "/login?next=%2F%3Fq%3Da%2B%2522cat%2522%26group%3D1"
        assert b'value="/?q=a+%22cat%22&amp;group=1"' in server.request("GET", login).body
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for wanted, leads in (
            ("/?q=a+cat", "/?q=a+cat"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("/a\r\nSet-Cookie: a=b", "/"),
            ("/" + "a" * 9_000, "/"),
        ):
            body = urlencode({"token": "open", "next": wanted}).encode()
            answer = server.request("POST", "/login", body=body, headers=form)
            assert (answer.status, answer.headers["location"]) == (303, leads)


def test_every_answer_has_a_strict_policy_and_an_id(server: RunningServer) -> None:
    for answer in (server.request("GET", "/"), server.get("/nothing"), server.get("/health")):
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
    given = server.get("/videos/999", X_Request_ID="abc-1")
    assert given.headers["x-request-id"] == given.json["request_id"] == "abc-1"
    assert server.get("/health", X_Request_ID="<b>").headers["x-request-id"] != "<b>"


@pytest.mark.parametrize(
    "path",
    [
        "/media/..%2f..%2fetc%2fpasswd",
        "/media//etc/passwd",
        "/media/1/../../../etc/passwd",
        "/thumbnails/..%2f..%2flibrary.db/0",
        "/thumbnails/1/..%2f..%2flibrary.db",
        "/videos/%2e%2e%2f",
        "/videos/1%00",
        "/videos/0",
        "/videos/-1",
        "/videos/99999999999999999999",
        "/videos/1e3",
        "/../../static/../app.py",
    ],
)
def test_no_parameter_is_a_path(server: RunningServer, path: str) -> None:
    answer = server.get(path)
    assert answer.status in {404, 422}
    assert answer.code in {"not_found", "bad_request", "path_not_found"}


@pytest.mark.parametrize("path", ["/nothing", "/video/abc", "/nothing/api/v1/"])
def test_a_wrong_address_is_a_page_for_browsers_and_a_problem_for_programs(
    server: RunningServer, path: str
) -> None:
    page = server.request("GET", path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status == 404
    assert page.headers["content-type"].startswith("text/html")
    program = server.request("GET", path)
    assert (program.status, program.code) == (404, "not_found")
    api = server.get("/nothing", Accept="text/html")
    assert (api.status, api.code) == (404, "not_found")


@pytest.mark.parametrize("path", ["/static/../__init__.py", "/static/%2e%2e/__init__.py"])
def test_static_files_stay_in_their_folder(server: RunningServer, path: str) -> None:
    assert server.request("GET", path).status == 404


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"text": ""},
        {"text": "a", "k": 0},
        {"text": "a", "k": 10**9},
        {"text": "a", "k": "5"},
        {"text": "a", "where": {"path": "/etc"}},
        {"text": "a", "where": {"path_glob": "*a" * 400}},
        {"text": "a", "where": {"path_glob": "a\0b"}},
        {"text": "a", "where": {"after": "9999-01-01T00:00:00"}},
        {"text": "a", "where": {"min_height": 2**70}},
        {"text": "a", "where": {f"filter_{number}": 1 for number in range(2_000)}},
        {"text": "a", "where": [{"min_height": 1}] * 2_000},
        {"text": "a", "cursor": "x" * 10_000},
        b'{"text": "a", "where": {"min_duration_seconds": NaN}}',
        b'{"text": "\\ud800"}',
        b"not json",
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda document: str(document)[:40],
)
def test_a_query_that_makes_no_sense_is_a_problem(server: RunningServer, document: object) -> None:
    answer = server.post("/search", document)
    assert answer.status in {400, 422}
    assert answer.code in {"bad_request", "bad_query"}


def test_ten_thousand_filters_are_too_large(server: RunningServer) -> None:
    answer = server.post("/search", {"text": "a", "where": [{"path_glob": "x" * 40}] * 10_000})
    assert (answer.status, answer.code) == (413, "too_large")


def test_a_body_that_hides_its_length_is_limited_too(server: RunningServer) -> None:
    connection = server.connect()
    connection.putrequest("POST", "/api/v1/search")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    try:
        for _ in range(40):
            connection.send(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
    except ConnectionError:
        pass  # the server closed the connection
    assert answer_of(connection.getresponse()).status == 413
    connection.close()


def test_videos_outside_the_roots_are_unknown(indexed_master: Path, footage_master: Path) -> None:
    with running(indexed_master, footage_master / "kitchen") as server:
        videos = server.get("/videos").json
        assert [Path(each["path"]).name for each in videos["videos"]] == ["red cup@1-2.mp4"]
        hits = server.post("/search", {"text": "a cat", "k": 1}).json["hits"]
        assert {Path(hit["path"]).name for hit in hits} <= {"red cup@1-2.mp4"}
        cat = server.service.library.info(footage_master / "cat.mp4").video
        for path in (f"/videos/{cat.id}", f"/videos/{cat.id}/clips", f"/media/{cat.id}"):
            answer = server.get(path)
            assert (answer.status, answer.code) == (404, "path_not_found")
            assert b"cat.mp4" not in answer.body
        assert server.get(f"/thumbnails/{cat.id}/1000").status == 404
        assert server.post("/similar", {"video_id": cat.id}).status == 404


def test_a_link_out_of_the_roots_is_not_followed(
    indexed_master: Path, footage_master: Path, tmp_path: Path
) -> None:
    """A video is replaced by a link to a secret after it was indexed."""
    library = shutil.copytree(indexed_master, tmp_path / "library")
    films = tmp_path / "films"
    shutil.copytree(footage_master, films)
    import vidseek

    with vidseek.open(library) as opened:
        opened.relocate(footage_master, films)
        video_id = opened.info(films / "cat.mp4").video.id
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    (films / "cat.mp4").unlink()
    with running(library, films) as server:
        (films / "cat.mp4").symlink_to(secret)
        assert server.get(f"/media/{video_id}").status == 404
        (films / "cat.mp4").unlink()
        (films / "cat.mp4").mkdir()
        assert server.get(f"/media/{video_id}").status == 404


def test_a_slow_client_is_cut_off(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
        answer = b""
        while piece := client.recv(1024):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as client:
        client.sendall(
            b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert client.recv(1024).startswith(b"HTTP/1.1 408")
    assert server.get("/health").status == 200


def test_a_hundred_idle_connections_are_closed(server: RunningServer) -> None:
    address = ("127.0.0.1", server.port)
    clients = [socket.create_connection(address, timeout=120) for _ in range(100)]
    try:
        assert server.get("/health").status == 200
        for client in clients:
            assert client.recv(1) == b""
    finally:
        for client in clients:
            client.close()
