"""A real server of the web page and the API, on a port of its own, in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import uvicorn

from vidseek.web.app import create_app
from vidseek.web.listening import server_config
from vidseek.web.service import Service
from vidseek.web.settings import RequestLimits, ServerSettings

API = "/api/v1"
READY_SECONDS = 60.0
QUICK = RequestLimits(max_header_seconds=1.0, max_idle_seconds=1.0, shutdown_seconds=2)
"""Limits that a test need not wait for."""


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Code of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self.body[:200]
        return str(self.json["code"])


@dataclass
class RunningServer:
    """A server that answers."""

    port: int
    service: Service

    def connect(self, *, timeout: float = 60.0) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, path, body, dict(headers or {}))
            return answer_of(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", API + path, headers=_names(headers))

    def post(self, path: str, document: object, **headers: str) -> Answer:
        given = {"Content-Type": "application/json", **_names(headers)}
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.request("POST", API + path, body=body, headers=given)

    def send_file(
        self, path: str, content: bytes, name: str = "upload.mp4", **fields: str
    ) -> Answer:
        boundary = "vidseek-test-boundary"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self.request("POST", API + path, body=body, headers={"Content-Type": kind})


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def answer_of(response: HTTPResponse) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


@contextmanager
def running(library: Path, *roots: Path, **settings: Any) -> Iterator[RunningServer]:
    """Serve a library in this process."""
    options = ServerSettings(library=library, roots=roots, port=0, request_limits=QUICK)
    options = replace(options, **settings)
    app = create_app(options)
    config = server_config(app, options)
    config.host, config.port = "127.0.0.1", 0
    server = uvicorn.Server(config)
    ready = threading.Event()
    started = server.startup

    async def startup(*arguments: Any, **named: Any) -> None:
        await started(*arguments, **named)
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(READY_SECONDS)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningServer(port, app.state.service)
    finally:
        app.state.service.stop()
        server.should_exit = True
        thread.join()
