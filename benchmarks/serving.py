"""Measure the HTTP API under load: searches at once, alone and beside a check and an index run.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.batch_search import PLACES, SUBJECTS
from benchmarks.cold_query import make_library
from benchmarks.machine import processor_name
from vidseek.demo.clips import Scene, make_clip

API = "/api/v1"


@dataclass(frozen=True)
class Load:
    """What a measurement saw."""

    what: str
    seconds: Sequence[float]
    """Of each request."""
    errors: int
    wall_seconds: float
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
        upload = folder / "upload.mp4"
        make_clip(upload, [Scene("coffee.png", 30), Scene("chelsea.png", 30)])
        with _server(library, folder) as (port, process):
            client = Clients(port, process.pid, options.requests)
            client.measure("warm-up", 1)
            rows = [
                client.measure("1 client", 1),
                client.measure("8 clients", 8),
                client.measure(f"{options.clients} clients", options.clients),
                client.measure("8 clients, beside checks", 8, upload=upload),
            ]
    print(
        f"{options.clips:,} clips, 20 hits a search; load {os.getloadavg()[0]:.1f} on "
        f"{processor_name()}.\n"
    )
    print("| | requests | errors | p50, ms | p99, ms | requests a second | memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        p50, p99 = np.percentile(row.seconds, [50, 99]) * 1000
        print(
            f"| {row.what} | {len(row.seconds):,} | {row.errors} | {p50:.0f} | {p99:.0f} | "
            f"{len(row.seconds) / row.wall_seconds:.0f} | {row.resident_mib:.0f} |"
        )


@contextlib.contextmanager
def _server(library: Path, root: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
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


class Clients:
    """Clients that keep their connections and send one request after another."""

    def __init__(self, port: int, server_id: int, requests: int) -> None:
        self._port = port
        self._server_id = server_id
        self._requests = requests
        self._sent = 0

    def measure(self, what: str, clients: int, *, upload: Path | None = None) -> Load:
        """Send searches, and all the while checks of a file, if there is one."""
        return asyncio.run(self._measure(what, clients, upload))

    async def _measure(self, what: str, clients: int, upload: Path | None) -> Load:
        seconds: list[float] = []
        errors = 0
        count = self._requests if clients > 1 else self._requests // 10
        left = iter(range(count))

        async def search() -> None:
            nonlocal errors
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            for _ in left:
                self._sent += 1
                text = f"{SUBJECTS[self._sent % 8]} {PLACES[self._sent // 8 % 6]}, {self._sent}"
                body = json.dumps({"text": text}).encode()
                started = time.perf_counter()
                status = await _ask(reader, writer, f"{API}/search", "application/json", body)
                seconds.append(time.perf_counter() - started)
                errors += status != 200
            writer.close()

        checking = None if upload is None else asyncio.create_task(self._check(upload))
        started = time.perf_counter()
        await asyncio.gather(*(search() for _ in range(clients)))
        wall_seconds = time.perf_counter() - started
        if checking is not None:
            checking.cancel()
        return Load(what, seconds, errors, wall_seconds, _resident_mib(self._server_id))

    async def _check(self, upload: Path) -> None:
        content = upload.read_bytes()
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        body = head + content + b"\r\n--x--\r\n"
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            status = await _ask(
                reader, writer, f"{API}/check", "multipart/form-data; boundary=x", body
            )
            assert status == 200, status
            writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, kind: str, body: bytes
) -> int:
    """Send a request; returns the status of the answer, which is read to its end."""
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    await reader.readexactly(int(length[1]))
    return int(head.split()[1])


def _resident_mib(process_id: int) -> float:
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
