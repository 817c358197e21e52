"""Measure the HTTP API under load: searches at once, alone and beside checks and index runs.

python -m benchmarks.serving [--clips 10000] [--clients 100] [--requests 2000]

A server process serves a library of that many clips with random vectors in the shapes of the
built-in encoder. This process is the clients, on the same cores. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from benchmarks.batch_search import PLACES, SUBJECTS
from benchmarks.cold_query import make_library
from benchmarks.machine import processor_name
from vidseek.demo.clips import Scene, make_clip

API = "/api/v1"
FILMS = "films"
"""Folder of real videos, in a root with those of the library, which have no files."""
WHAT_TO_INDEX = json.dumps({"paths": [FILMS]}).encode()
FORM = "multipart/form-data; boundary=x"


@dataclass(frozen=True)
class Load:
    """What a measurement saw."""

    what: str
    seconds: Sequence[float]
    """Of each request."""
    errors: int
    wall_seconds: float
    processor_seconds: float
    """Of the server."""
    resident_mib: float
    """Memory of the server afterwards."""


def main() -> None:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--requests", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = make_library(folder / "library", options.clips)
        upload = folder / FILMS / "upload.mp4"
        upload.parent.mkdir()
        make_clip(upload, [Scene("coffee.png", 30), Scene("chelsea.png", 30)])
        with server(library, folder) as (port, process):
            client = Clients(port, process.pid, options.requests)
            client.measure("warm-up", 1)
            print(
                "| | requests | errors | p50, ms | p99, ms | requests a second | "
                "processor, ms a request | memory, MiB |"
            )
            print("| --- | --- | --- | --- | --- | --- | --- | --- |")
            for what, clients, beside in (
                ("1 client", 1, None),
                ("8 clients", 8, None),
                (f"{options.clients} clients", options.clients, None),
                ("8 clients, beside checks", 8, Checks(port, upload)),
                ("8 clients, beside index runs", 8, IndexRuns(port, upload)),
            ):
                print(_row(client.measure(what, clients, beside=beside)), flush=True)
    print(
        f"\n{options.clips:,} clips, 20 hits a search; load {os.getloadavg()[0]:.1f} on "
        f"{processor_name()}."
    )


def _row(load: Load) -> str:
    p50, p99 = np.percentile(load.seconds, [50, 99]) * 1000
    count = len(load.seconds)
    return (
        f"| {load.what} | {count:,} | {load.errors} | {p50:.0f} | {p99:.0f} | "
        f"{count / load.wall_seconds:.0f} | {load.processor_seconds / count * 1000:.1f} | "
        f"{load.resident_mib:.0f} |"
    )


@contextlib.contextmanager
def server(library: Path, root: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Serve a library in a process of its own.

    Yields:
        The port and the process.
    """
    command = [sys.executable, "-m", "vidseek.cli", "serve", "--port", "0"]
    command += ["--library", str(library), "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found is not None
        try:
            yield int(found[1]), process
        finally:
            process.terminate()
            process.wait(60)


class Beside(Protocol):
    """Work that a server does while it is searched."""

    async def run(self) -> None:
        """Ask for it again and again, until cancelled."""


class Checks:
    """Checks of a file, one after another."""

    def __init__(self, port: int, upload: Path) -> None:
        self._port = port
        self._body = form(upload.read_bytes())

    async def run(self) -> None:
        """See ``Beside``."""
        while True:
            async with connection(self._port) as (reader, writer):
                status, _ = await ask(reader, writer, "POST", "/check", self._body, FORM)
            assert status == 200, status


class IndexRuns:
    """Index runs of a file that changes each time."""

    def __init__(self, port: int, film: Path) -> None:
        self._port = port
        self._film = film

    async def run(self) -> None:
        """See ``Beside``."""
        async with connection(self._port) as (reader, writer):
            while True:
                with self._film.open("ab") as file:
                    file.write(b"\0\0\0\x08free")  # an empty box of the format
                await index(reader, writer)


async def index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Index the folder of films, and wait for the end."""
    status, job = await ask(reader, writer, "POST", "/index", WHAT_TO_INDEX)
    assert status == 202, status
    while json.loads(job)["state"] in {"waiting", "running"}:
        await asyncio.sleep(0.2)
        _, job = await ask(reader, writer, "GET", f"/jobs/{json.loads(job)['id']}")
    assert json.loads(job)["state"] == "done", job


class Clients:
    """Clients that keep their connections and send one request after another."""

    def __init__(self, port: int, server_id: int, requests: int) -> None:
        self._port = port
        self._server_id = server_id
        self._requests = requests
        self._sent = 0

    def measure(self, what: str, clients: int, *, beside: Beside | None = None) -> Load:
        """Send searches, and let the server do something else all the while, if it is to."""
        return asyncio.run(self._measure(what, clients, beside))

    async def _measure(self, what: str, clients: int, beside: Beside | None) -> Load:
        seconds: list[float] = []
        errors = 0
        count = self._requests if clients > 1 else self._requests // 10
        left = iter(range(count))

        async def search() -> None:
            nonlocal errors
            async with connection(self._port) as (reader, writer):
                for _ in left:
                    self._sent += 1
                    text = f"{SUBJECTS[self._sent % 8]} {PLACES[self._sent // 8 % 6]}, {self._sent}"
                    body = json.dumps({"text": text}).encode()
                    started = time.perf_counter()
                    status, _ = await ask(reader, writer, "POST", "/search", body)
                    seconds.append(time.perf_counter() - started)
                    errors += status != 200

        other = None if beside is None else asyncio.create_task(beside.run())
        started, used = time.perf_counter(), processor_seconds(self._server_id)
        await asyncio.gather(*(search() for _ in range(clients)))
        wall_seconds = time.perf_counter() - started
        used = processor_seconds(self._server_id) - used
        if other is not None:
            other.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await other
        return Load(what, seconds, errors, wall_seconds, used, resident_mib(self._server_id))


def form(content: bytes) -> bytes:
    """The body of an upload."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


@contextlib.asynccontextmanager
async def connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    path: str,
    body: bytes = b"",
    kind: str = "application/json",
) -> tuple[int, bytes]:
    """Send a request; returns the status and the content of the answer."""
    writer.write(request_bytes(method, path, body, kind))
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    return int(head.split()[1]), await reader.readexactly(int(length[1]))


def request_bytes(
    method: str, path: str, body: bytes = b"", kind: str = "application/json"
) -> bytes:
    """A request as it is sent."""
    head = (
        f"{method} {API}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def processor_seconds(process_id: int) -> float:
    """Processor time of a process so far, without its children."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(process_id: int) -> float:
    """Memory of a process."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
