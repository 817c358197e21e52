"""Measure what a server does about clients that go away, and about uploads that never end.

python -m benchmarks.serving_misuse [--uploads 1000]

Prints how long the work of a client goes on after the client has closed its connection, and how a
server answers others while uploads that were begun hold their connections. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cold_query import make_library
from benchmarks.machine import processor_name
from benchmarks.serving import (
    FILMS,
    FORM,
    WHAT_TO_INDEX,
    ask,
    connection,
    form,
    index,
    request_bytes,
    resident_mib,
    server,
)
from vidseek.demo.clips import Scene, make_clip

CLIPS = 10_000
SEARCHES = 64
PATIENCE_SECONDS = 60.0
BEGUN_BYTES = 50_000
"""What comes of an upload that never ends."""


def main() -> None:
    """Run the measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uploads", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = make_library(folder / "library", CLIPS)
        film = folder / FILMS / "film.mp4"
        film.parent.mkdir()
        make_clip(film, [Scene("coffee.png", 30), Scene("chelsea.png", 30)])
        with server(library, folder) as (port, process):
            asyncio.run(Gone(port, film).measure())
            asyncio.run(HalfOpen(port, process.pid, options.uploads).measure())
    print(f"\n{CLIPS:,} clips, on {processor_name()}.")


class Gone:
    """Clients that close their connections while the server works for them."""

    def __init__(self, port: int, film: Path) -> None:
        self._port = port
        self._film = film

    async def measure(self) -> None:
        """Measure and print."""
        print("| the client asked for | freed after, s |")
        print("| --- | --- |")
        async with connection(self._port) as (reader, writer):
            _, job = await ask(reader, writer, "POST", "/index", WHAT_TO_INDEX)
            events = request_bytes("GET", f"/jobs/{json.loads(job)['id']}/events")
            await self._measure("the events of a job", [events], "vidseek_followers")
            await index(reader, writer)
            await ask(reader, writer, "POST", "/search", b'{"text": "warm"}')
            _, page = await ask(reader, writer, "GET", "/videos?limit=1&order=newest")
        video_id = json.loads(page)["videos"][0]["id"]
        searches = [
            request_bytes("POST", "/search", json.dumps({"text": f"a dog, {number}"}).encode())
            for number in range(SEARCHES)
        ]
        await self._measure(f"{SEARCHES} searches", searches, "vidseek_pending_quick")
        check = request_bytes("POST", "/check", form(self._film.read_bytes() + b"new"), FORM)
        await self._measure("a check", [check], "vidseek_pending_heavy")
        preview = request_bytes("GET", f"/preview/{video_id}?start=10&end=22")
        await self._measure("a preview", [preview], "vidseek_pending_heavy")

    async def _measure(self, what: str, requests: Sequence[bytes], gauge: str) -> None:
        print(f"| {what} | {await self._freed_after(requests, gauge):.2f} |", flush=True)

    async def _freed_after(self, requests: Sequence[bytes], gauge: str) -> float:
        """Seconds from closing the connections to the moment when the server has no such work."""
        opened = [await asyncio.open_connection("127.0.0.1", self._port) for _ in requests]
        for (_, writer), request in zip(opened, requests, strict=True):
            writer.write(request)
        await self._wait(gauge, lambda count: count > 0)
        for _, writer in opened:
            writer.close()
        started = time.perf_counter()
        await self._wait(gauge, lambda count: count == 0)
        return time.perf_counter() - started

    async def _wait(self, gauge: str, is_met: Callable[[float], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), connection(self._port) as (reader, writer):
            while True:
                _, text = await ask(reader, writer, "GET", "/metrics")
                found = re.search(rf"^{gauge} (\S+)$", text.decode(), re.MULTILINE)
                assert found is not None, gauge
                if is_met(float(found[1])):
                    return
                await asyncio.sleep(0.01)


class HalfOpen:
    """Uploads that are begun and never end."""

    def __init__(self, port: int, process_id: int, count: int) -> None:
        self._port = port
        self._process_id = process_id
        self._count = count
        self._answers: collections.Counter[str] = collections.Counter()

    async def measure(self) -> None:
        """Measure and print."""
        before = resident_mib(self._process_id)
        uploads = [asyncio.create_task(self._begin()) for _ in range(self._count)]
        seconds: list[float] = []
        refused, peak = 0, before
        while not all(upload.done() for upload in uploads):
            started = time.perf_counter()
            refused += not await self._is_answered()
            seconds.append(time.perf_counter() - started)
            peak = max(peak, resident_mib(self._process_id))
            await asyncio.sleep(0.1)
        await asyncio.gather(*uploads)
        await asyncio.sleep(2)
        left = [
            path.name
            for folder in Path(tempfile.gettempdir()).glob(f"vidseek-serve-{self._process_id}-*")
            for path in folder.iterdir()
            if path.name != "previews"
        ]
        p99 = np.percentile(seconds, 99) * 1000
        after = resident_mib(self._process_id)
        print(f"\n| {self._count:,} uploads that never end | |")
        print("| --- | --- |")
        print(f"| answered with | {dict(self._answers)} |")
        print(f"| other requests meanwhile | {len(seconds)}, of which refused: {refused} |")
        print(f"| their p50 and p99, ms | {np.median(seconds) * 1000:.0f}, {p99:.0f} |")
        print(f"| memory before, at most, after, MiB | {before:.0f}, {peak:.0f}, {after:.0f} |")
        print(f"| temporary files left | {len(left)} |")

    async def _begin(self) -> None:
        async with asyncio.timeout(2 * PATIENCE_SECONDS), connection(self._port) as opened:
            reader, writer = opened
            writer.write(
                request_bytes("POST", "/check", b"--x\r\n" + bytes(BEGUN_BYTES), FORM)[:-1]
            )
            try:
                head = await reader.readline()
                self._answers[head.split()[1].decode() if head else "closed"] += 1
                await reader.read()
            except ConnectionError:
                self._answers["closed"] += 1

    async def _is_answered(self) -> bool:
        try:
            async with connection(self._port) as (reader, writer):
                status, _ = await ask(reader, writer, "GET", "/health")
            return status == 200
        except (ConnectionError, asyncio.IncompleteReadError):
            return False


if __name__ == "__main__":
    main()
