"""A server that is told to stop ends its work, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from videos import make_video, picture
from web_server import API

import vidseek

WAIT_SECONDS = 100.0


class Client:
    """A client of a server in another process."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, API + path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def gauge(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.ask("GET", "/metrics")[1].decode(), re.MULTILINE)
        assert found is not None
        return float(found[1])

    def until_busy(self, gauge: str, asking: threading.Thread) -> None:
        """Wait until the server works on a request, or has answered it already."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.gauge(gauge) == 0 and asking.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_busy_server_ends_cleanly(library: Path, footage_master: Path, tmp_path: Path) -> None:
    root, temporary = tmp_path / "films", tmp_path / "temporary"
    root.mkdir()
    temporary.mkdir()
    shutil.copy(footage_master / "cat.mp4", root)
    film = make_video(
        root / "long.mp4", [picture(5), picture(6)], seconds_each=120, frame_rate=5
    ).read_bytes()
    command = [sys.executable, "-m", "vidseek.cli", "serve", "--port", "0"]
    command += ["--library", str(library), "--root", str(root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/", process.stdout.readline())
            assert found is not None
            client = Client(int(found[1]))
            job = json.loads(client.ask("POST", "/index", b"{}")[1])
            following = _in_background(client, "GET", f"/jobs/{job['id']}/events")
            checking = _in_background(client, "POST", "/check", *_form(film))
            client.until_busy("vidseek_followers", following)
            client.until_busy("vidseek_pending_heavy", checking)
            process.terminate()
            assert process.wait(WAIT_SECONDS) == 0
            for each in (following, checking):
                each.join(WAIT_SECONDS)
                assert not each.is_alive()
        finally:
            process.kill()
    assert list(temporary.iterdir()) == []
    with vidseek.open(library) as opened:
        health = opened.doctor(repair=False).library
        assert health is not None
        actions = {finding.hint and finding.hint.action for finding in health.findings}
        assert actions <= {"list_failed"}  # a file of the fixture cannot be read
        assert opened.search("a cat", 1)[0].video.path.name == "cat.mp4"


def _in_background(client: Client, *arguments: Any) -> threading.Thread:
    def ask() -> None:
        try:
            client.ask(*arguments)
        except (OSError, HTTPException):
            return  # the server may close the connection without an answer

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def _form(content: bytes) -> tuple[bytes, str]:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
