"""Requests that wait at the same time are worked on together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import Request
from web_server import RunningServer

import vidseek
from vidseek.core.errors import QueryError
from vidseek.core.job import Job
from vidseek.web.answers import KeptAnswers
from vidseek.web.problems import ClientGoneError, ProblemError
from vidseek.web.work import WorkPool

TEXTS = ("a cat", "a rocket", "a cup of coffee", "an astronaut", "a black square", "a camera")


class Client:
    """A client that stays until it is told to go."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.request = Request({"type": "http"}, self._receive)

    async def _receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Occupied:
    """A pool whose only thread is busy until it is released."""

    def __init__(self) -> None:
        self.pool = WorkPool("test", threads=1, max_waiting=20)
        self.batches: list[list[int]] = []
        self._release = threading.Event()

    async def block(self) -> asyncio.Task[bool]:
        begun = threading.Event()

        def wait(_: object) -> bool:
            begun.set()
            return self._release.wait(60)

        blocked = asyncio.create_task(self.pool.run(Client().request, wait))
        assert await asyncio.to_thread(begun.wait, 60)
        return blocked

    def release(self) -> None:
        self._release.set()

    def ask(self, item: int, client: Client | None = None, group: str = "") -> asyncio.Task[int]:
        request = (client or Client()).request
        return asyncio.create_task(self.pool.run_together(request, group, item, self._double))

    def _double(self, items: Sequence[int], _: Job) -> list[int]:
        self.batches.append(list(items))
        if 13 in items:
            raise QueryError("13")
        return [2 * item for item in items]

    async def waiting(self, count: int) -> None:
        while self.pool.pending != count:
            await asyncio.sleep(0.001)


def test_requests_of_a_group_share_the_work_and_not_the_errors() -> None:
    async def ask() -> tuple[list[Any], Occupied]:
        occupied = Occupied()
        blocked = await occupied.block()
        asked = [occupied.ask(item) for item in (1, 13, 2)] + [occupied.ask(5, group="other")]
        await occupied.waiting(5)
        occupied.release()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert await blocked
        return results, occupied

    results, occupied = asyncio.run(ask())
    occupied.pool.close()
    assert [results[0], *results[2:]] == [2, 4, 10]
    assert isinstance(results[1], QueryError)
    assert occupied.batches == [[1, 13, 2], [1], [13], [2], [5]]
    assert occupied.pool.pending == 0


def test_a_client_that_goes_away_is_left_out() -> None:
    async def ask() -> Occupied:
        occupied = Occupied()
        blocked = await occupied.block()
        leaving = Client()
        left = occupied.ask(1, leaving)
        stays = occupied.ask(2)
        await occupied.waiting(3)
        leaving.gone.set()
        with pytest.raises(ClientGoneError):
            await left
        occupied.release()
        assert (await stays, await blocked) == (4, True)
        return occupied

    occupied = asyncio.run(ask())
    occupied.pool.close()
    assert occupied.batches == [[2]]
    assert occupied.pool.pending == 0


def test_a_pool_that_stops_ends_what_waits() -> None:
    async def ask() -> list[Any]:
        occupied = Occupied()
        blocked = await occupied.block()
        asked = [occupied.ask(item) for item in (1, 2)]
        await occupied.waiting(3)
        occupied.pool.cancel()
        occupied.release()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        await blocked
        with pytest.raises(ProblemError):
            await occupied.ask(3)
        occupied.pool.close()
        assert occupied.batches == []
        return ended

    assert [type(each) for each in asyncio.run(ask())] == [vidseek.JobCancelledError] * 2


def test_answers_of_several_queries_are_made_once() -> None:
    answers = KeptAnswers[str]()
    both = threading.Barrier(2)

    def make(keys: Sequence[str]) -> list[str]:
        def answer(places: Sequence[int]) -> list[str]:
            both.wait(60)
            return [keys[place].upper() for place in places]

        return answers.get_all(keys, answer)

    with ThreadPoolExecutor(2) as threads:
        one, two = threads.submit(make, ["a", "a"]), threads.submit(make, ["b", "b", "c"])
        assert (one.result(60), two.result(60)) == (["A", "A"], ["B", "B", "C"])
    assert answers.get_all(["c", "a"], lambda _: pytest.fail("they are kept")) == ["C", "A"]


def test_an_answer_is_made_for_those_who_stay() -> None:
    answers = KeptAnswers[str]()
    begun, gone = threading.Event(), threading.Event()

    def leave() -> str:
        begun.set()
        gone.wait(60)
        raise vidseek.JobCancelledError("cancelled")

    with ThreadPoolExecutor(2) as threads:
        left = threads.submit(answers.get, "a", leave)
        begun.wait(60)
        stays = threads.submit(answers.get, "a", lambda: "A")
        gone.set()
        assert stays.result(60) == "A"
        with pytest.raises(vidseek.JobCancelledError):
            left.result(60)


def test_searches_at_the_same_time_answer_as_the_library_does(server: RunningServer) -> None:
    def ask(text: str) -> Any:
        return server.post("/search", {"text": text, "k": 4})

    with ThreadPoolExecutor(len(TEXTS)) as threads:
        answers = list(threads.map(ask, [*TEXTS, " ", *TEXTS]))
    assert [answer.status for answer in answers] == [200] * 6 + [422] + [200] * 6
    for text, answer in zip(TEXTS, answers, strict=False):
        expected = server.service.library.search(text, 4)
        assert [
            (hit["video_id"], hit["start_seconds"], hit["end_seconds"])
            for hit in answer.json["hits"]
        ] == [
            (hit.video.id, round(hit.span.start_seconds, 3), round(hit.span.end_seconds, 3))
            for hit in expected
        ]
        assert answer.json["next_cursor"] == expected.next_cursor
