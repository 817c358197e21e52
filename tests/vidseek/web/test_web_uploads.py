"""Files that are sent: checks, queries by file, what is refused; nothing is left behind."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from cli_process import invoke_vidseek
from videos import make_video, picture
from web_server import API, QUICK, RunningServer, answer_of, running

from vidseek.demo.clips import Scene, make_clip
from vidseek.web.settings import UploadLimits
from vidseek.web.uploads import safe_name


@pytest.fixture(scope="module")
def footage(footage_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(footage_master, tmp_path_factory.mktemp("uploads") / "footage"))


@pytest.fixture(scope="module")
def gate(indexed_master: Path, footage_master: Path, footage: Path) -> Iterator[RunningServer]:
    """A server that adds uploads, with a library and films of its own, and small limits."""
    library = Path(shutil.copytree(indexed_master, footage.parent / "library"))
    import vidseek

    with vidseek.open(library) as opened:
        opened.relocate(footage_master, footage)
    incoming = footage / "incoming"
    incoming.mkdir()
    limits = UploadLimits(
        max_bytes=4 << 20, min_free_bytes=0, max_duration_seconds=60, max_pixels=1280 * 720
    )
    with running(library, footage, uploads=incoming, upload_limits=limits) as served:
        yield served


def left_behind(server: RunningServer) -> list[str]:
    """Files of uploads that are still there."""
    folder = server.service.uploads.folder
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        left = [path.name for path in folder.iterdir() if path.name != "previews"]
        if not left:
            break
        time.sleep(0.05)
    return left


def test_a_copy_is_found_as_the_command_finds_it(gate: RunningServer, footage: Path) -> None:
    film = footage / "cat.mp4"
    answer = gate.send_file("/check", film.read_bytes(), "holiday.mp4")
    assert answer.status == 200
    verdict = answer.json
    told = invoke_vidseek(["check", film, "--json"], library=gate.service.library.folder)
    expected = json.loads(told.stdout)
    assert (verdict["verdict"], verdict["added"]) == ("exact", False)
    assert verdict["path"] == "holiday.mp4"
    match = {name: verdict["matches"][0][name] for name in expected["matches"][0]}
    assert match == expected["matches"][0]
    assert left_behind(gate) == []


def test_of_two_equal_uploads_at_once_one_is_added(
    gate: RunningServer, footage: Path, tmp_path: Path
) -> None:
    film = make_video(tmp_path / "new.mp4", [picture(5), picture(6)], seconds_each=2)
    content = film.read_bytes()
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda _: gate.send_file("/check?add=true", content, "new.mp4"), range(2))
        )
    assert [answer.status for answer in answers] == [200, 200]
    assert sorted(answer.json["verdict"] for answer in answers) == ["exact", "new"]
    assert sorted(answer.json["added"] for answer in answers) == [False, True]
    assert len(list((footage / "incoming").iterdir())) == 1
    added = next(answer.json["path"] for answer in answers if answer.json["added"])
    assert Path(added).read_bytes() == content
    assert added in [each["path"] for each in gate.get("/videos").json["videos"]]


def test_a_refused_upload_is_not_kept(gate: RunningServer, footage: Path) -> None:
    before = sorted((footage / "incoming").iterdir())
    for content, status in ((b"dear diary", 415), ((footage / "cat.mp4").read_bytes(), 200)):
        assert gate.send_file("/check?add=true", content, "other.mp4").status == status
    assert sorted((footage / "incoming").iterdir()) == before
    assert left_behind(gate) == []


def test_adding_needs_a_folder_and_a_server_that_may_write(
    server: RunningServer, indexed_master: Path, footage_master: Path
) -> None:
    assert server.send_file("/check?add=true", b"x").code == "no_uploads"
    with running(indexed_master, footage_master, read_only=True) as closed:
        assert closed.send_file("/check?add=true", b"x").code == "read_only"
        assert closed.post("/index", {}).code == "read_only"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_video"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_a_video"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "not_a_video"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\n", "not_a_video"),
        (b"<MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>", "not_a_video"),
        (b"PK\x03\x04" + b"\0" * 100, "not_a_video"),
        (b"\x1f\x8b" + b"\0" * 100, "not_a_video"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 5000, "unreadable_video"),
    ],
)
def test_what_is_no_video_is_refused(gate: RunningServer, content: bytes, code: str) -> None:
    answer = gate.send_file("/check", content, "holiday.mp4")
    assert answer.status in {415, 422}
    assert answer.code == code
    assert str(gate.service.uploads.folder).encode() not in answer.body
    assert left_behind(gate) == []


@pytest.mark.parametrize("path", ["/check", "/similar"])
def test_videos_beyond_the_limits_are_refused(
    gate: RunningServer, tmp_path: Path, path: str
) -> None:
    large = make_video(
        tmp_path / "large.mp4", [picture(1, width=1600, height=1200)], seconds_each=0.2
    )
    long = make_video(
        tmp_path / "long.mp4", [picture(2, width=64, height=48)], seconds_each=70, frame_rate=2
    )
    for film in (large, long):
        answer = gate.send_file(path, film.read_bytes())
        assert (answer.status, answer.code) == (413, "decode_limit")
    assert left_behind(gate) == []


def test_a_picture_that_unpacks_to_gigabytes_is_refused(gate: RunningServer) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    )
    answer = gate.send_file("/similar", bomb, "bomb.png")
    assert answer.status in {413, 415, 422}
    assert left_behind(gate) == []


def test_a_file_that_says_that_it_is_too_large_is_refused_unread(gate: RunningServer) -> None:
    connection = gate.connect()
    connection.putrequest("POST", f"{API}/check")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(10 * 10**9))
    connection.endheaders()
    answer = answer_of(connection.getresponse())
    assert (answer.status, answer.code) == (413, "too_large")
    assert left_behind(gate) == []


def test_a_file_that_hides_its_size_is_cut_off(gate: RunningServer) -> None:
    connection = gate.connect()
    connection.putrequest("POST", f"{API}/check")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    piece = bytes(1 << 20)
    try:
        connection.send(b"%x\r\n%s\r\n" % (len(head), head))
        for _ in range(64):
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    except ConnectionError:
        pass  # the server has closed the connection
    assert answer_of(connection.getresponse()).status == 413
    assert left_behind(gate) == []


def test_half_an_upload_leaves_nothing_and_frees_its_place(gate: RunningServer) -> None:
    clients = []
    for _ in range(40):
        client = socket.create_connection(("127.0.0.1", gate.port), timeout=120)
        client.sendall(
            f"POST {API}/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode()
        )
        clients.append(client)
    assert gate.get("/health").status == 200
    first_lines = []
    for client in clients:
        first_lines.append(client.recv(4096).split(b"\r\n")[0])
        client.close()
    assert {line.split()[1] for line in first_lines} == {b"408", b"503"}
    assert left_behind(gate) == []
    deadline = time.monotonic() + 60
    while gate.service.uploads.active and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gate.service.uploads.active == 0
    assert gate.get("/health").status == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"--x\r\n", "multipart/form-data; boundary=x", 400),
        (b"", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 415),
        (b"nothing", "text/plain", 415),
        (b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n1\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 422),
        (b'--x\r\nContent-Disposition: form-data; name="threshold"\r\n\r\nno\r\n'
         b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 422),
    ],
)  # fmt: skip
def test_a_damaged_form_is_a_problem(
    gate: RunningServer, body: bytes, kind: str, status: int
) -> None:
    answer = gate.request("POST", f"{API}/check", body=body, headers={"Content-Type": kind})
    assert answer.status == status
    assert left_behind(gate) == []


def test_a_client_that_goes_away_frees_its_work(gate: RunningServer, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    film = make_video(tmp_path / "long.mp4", [noise], seconds_each=50, frame_rate=12)
    content = film.read_bytes()[: 4 << 20]
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    body = head + content + b"\r\n--x--\r\n"
    with socket.create_connection(("127.0.0.1", gate.port), timeout=120) as client:
        client.sendall(
            f"POST {API}/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
            + body
        )
        deadline = time.monotonic() + 60
        while gate.service.heavy.pending == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
    deadline = time.monotonic() + 60
    while gate.service.heavy.pending and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gate.service.heavy.pending == 0
    assert left_behind(gate) == []


@pytest.mark.parametrize("what", ["searches", "preview", "events"])
def test_a_client_that_goes_away_leaves_nothing_waiting(
    gate: RunningServer, footage: Path, what: str
) -> None:
    service = gate.service
    if what == "searches":
        bodies = [f'{{"text": "gone {number}"}}'.encode() for number in range(40)]
        requests = [("POST", "/search", body) for body in bodies]
    elif what == "preview":
        video = gate.get("/videos").json["videos"][0]["id"]
        requests = [("GET", f"/preview/{video}?start=0&end=1.5", b"")]
    else:
        make_clip(footage / "gone.mp4", [Scene("coins.png", 3)])
        job = gate.post("/index", {"paths": ["gone.mp4"]}).json
        requests = [("GET", f"/jobs/{job['id']}/events", b"")]
    for method, path, body in requests:
        with socket.create_connection(("127.0.0.1", gate.port), timeout=120) as client:
            head = f"{method} {API}{path} HTTP/1.1\r\nHost: localhost\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
    deadline = time.monotonic() + 60
    pending = 1
    while pending and time.monotonic() < deadline:
        time.sleep(0.05)
        pending = service.quick.pending + service.heavy.pending + service.followers
    assert pending == 0
    assert gate.get("/health").status == 200


def test_a_picture_that_is_sent_finds_its_video(gate: RunningServer, tmp_path: Path) -> None:
    from skimage import data
    from skimage.io import imsave

    imsave(tmp_path / "cat.png", data.chelsea())
    answer = gate.send_file("/similar", (tmp_path / "cat.png").read_bytes(), "cat.png", k="1")
    assert answer.status == 200, answer.body
    assert Path(answer.json["hits"][0]["path"]).name == "cat.mp4"
    filtered = gate.send_file(
        "/similar",
        (tmp_path / "cat.png").read_bytes(),
        where=json.dumps({"path_glob": "kitchen/*"}),
    )
    assert {Path(hit["path"]).parent.name for hit in filtered.json["hits"]} == {"kitchen"}
    for fields in ({"k": "0"}, {"where": "{"}, {"where": '{"x": 1}'}, {"other": "1"}):
        assert gate.send_file("/similar", b"x", **fields).status == 422


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/cron.d/x.mp4", "x.mp4"),
        ("..\\..\\x.mp4", "x.mp4"),
        ("/etc/passwd", "passwd"),
        ("<script>alert(1)</script>.mp4", "script_.mp4"),
        ("a\x00b\n.mp4", "a_b_.mp4"),
        (".", "upload"),
        ("", "upload"),
        (".mp4", "mp4"),
        ("x" * 400 + ".mp4", "x" * 146 + ".mp4"),
    ],
)
def test_a_name_is_made_safe(given: str, name: str) -> None:
    assert safe_name(given) == name


def test_an_index_run_can_be_followed_and_its_files_are_found(
    gate: RunningServer, footage: Path
) -> None:
    make_clip(footage / "page <b>bold<b>.mp4", [Scene("page.png", 2)])
    started = gate.post("/index", {"paths": ["page <b>bold<b>.mp4"]})
    assert started.status == 202, started.body
    job = started.json
    assert gate.request("GET", started.headers["location"]).json["id"] == job["id"]
    events = gate.get(f"/jobs/{job['id']}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    last = events.body.decode().strip().split("\n\n")[-1]
    kind, _, data = last.partition("\n")
    assert kind == "event: end"
    ended = json.loads(data.removeprefix("data: "))
    assert (ended["state"], ended["report"]["indexed"]) == ("done", 1)
    assert gate.get("/jobs").json["jobs"][0]["id"] == job["id"]
    names = [each["title"] for each in gate.get("/videos").json["videos"]]
    assert "page <b>bold<b>" in names


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/etc", 403, "outside_roots"),
        ("../..", 403, "outside_roots"),
        ("kitchen/../../..", 403, "outside_roots"),
        ("nowhere", 404, "path_not_found"),
        ("", 422, "bad_request"),
        ("a\0b", 422, "bad_request"),
    ],
)
def test_nothing_outside_the_roots_is_indexed(
    gate: RunningServer, path: str, status: int, code: str
) -> None:
    answer = gate.post("/index", {"paths": [path]})
    assert (answer.status, answer.code) == (status, code)


def test_a_link_out_of_the_roots_is_not_indexed(
    gate: RunningServer, footage: Path, tmp_path: Path
) -> None:
    outside = make_video(tmp_path / "outside.mp4", [picture(9)], seconds_each=1)
    link = footage / "link.mp4"
    link.symlink_to(outside)
    try:
        assert gate.post("/index", {"paths": ["link.mp4"]}).code == "outside_roots"
        job = gate.post("/index", {}).json
        gate.get(f"/jobs/{job['id']}/events")
        paths = [each["path"] for each in gate.get("/videos").json["videos"]]
        assert str(link) not in paths
        assert not gate.service.library.videos(under=link)
    finally:
        link.unlink()


def test_copies_of_the_same_file_share_all_of_it(gate: RunningServer, footage: Path) -> None:
    shutil.copy(footage / "cat.mp4", footage / "cat again.mp4")
    job = gate.post("/index", {"paths": ["cat again.mp4"]}).json
    gate.get(f"/jobs/{job['id']}/events")  # answered at the end
    videos = {Path(each["path"]).name: each for each in gate.get("/videos").json["videos"]}
    cat, again = videos["cat.mp4"], videos["cat again.mp4"]
    copies = gate.get(f"/videos/{cat['id']}/copies").json["copies"]
    shared = next(each["segments"] for each in copies if each["video"]["id"] == again["id"])
    whole = (0, cat["duration_seconds"])
    assert [(each["start_seconds"], each["end_seconds"]) for each in shared] == [whole]
    assert [(each["other_start_seconds"], each["other_end_seconds"]) for each in shared] == [whole]


def test_a_job_can_be_cancelled_and_forgotten(gate: RunningServer) -> None:
    job = gate.post("/index", {}).json
    place = f"{API}/jobs/{job['id']}"
    assert gate.request("DELETE", place).status in {200, 202}
    gate.request("GET", f"{place}/events")
    if gate.request("GET", place).status == 200:
        assert gate.request("GET", place).json["state"] in {"cancelled", "done"}
        assert gate.request("DELETE", place).status == 200
    assert gate.request("GET", place).code == "path_not_found"


def test_a_dismissed_group_stays_away_until_it_is_restored(
    gate: RunningServer, footage: Path
) -> None:
    shutil.copy(footage / "kitchen" / "red cup@1-2.mp4", footage / "kitchen" / "cup again.mp4")
    job = gate.post("/index", {"paths": ["kitchen"]}).json
    gate.get(f"/jobs/{job['id']}/events")
    before = gate.get("/duplicates").json
    group = next(each for each in before["groups"] if "cup" in each["members"][0]["video"]["path"])
    ids = [member["video"]["id"] for member in group["members"]]
    assert (group["kind"], len(ids)) == ("exact", 2)
    assert gate.post("/duplicates/dismiss", {"video_ids": ids}).json == {"changed_pairs": 1}
    assert group not in gate.get("/duplicates").json["groups"]
    back = {"video_ids": ids, "restore": True}
    assert gate.post("/duplicates/dismiss", back).json == {"changed_pairs": 1}
    assert gate.get("/duplicates").json == before
    assert gate.post("/duplicates/dismiss", {"video_ids": [ids[0], 10**9]}).status == 404


def test_a_preview_is_a_short_silent_film(gate: RunningServer) -> None:
    import io

    import av

    hit = gate.post("/search", {"text": "a motorcycle", "k": 1}).json["hits"][0]
    answer = gate.request("GET", hit["preview_url"])
    assert answer.status == 200, answer.body
    with av.open(io.BytesIO(answer.body)) as film:
        assert not film.streams.audio
        length = hit["end_seconds"] - hit["start_seconds"]
        frames = sum(1 for _ in film.decode(video=0))
        assert frames == pytest.approx(length * 12, abs=2)
        assert film.streams.video[0].codec_context.height <= 240
    again = gate.request(
        "GET", hit["preview_url"], headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status == 304
    failed = next(
        each["id"] for each in gate.get("/videos").json["videos"] if each["state"] == "failed"
    )
    assert gate.get(f"/preview/{failed}").status in {415, 422}


def test_metrics_count_requests_by_route(gate: RunningServer) -> None:
    gate.get("/videos/1")
    text = gate.get("/metrics").body.decode()
    assert 'vidseek_requests_total{method="GET",route="/videos/{video_id}",status="200"}' in text
    assert "vidseek_videos " in text


def test_an_idle_stop_is_quick_and_leaves_no_folder(
    indexed_master: Path, footage_master: Path
) -> None:
    with running(indexed_master, footage_master, request_limits=QUICK) as server:
        folder = server.service.uploads.folder
        assert folder.is_dir()
    assert not folder.exists()
