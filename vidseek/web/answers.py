"""Answers and facts that are kept until the library changes.

Several people who look for the same thing, a page that is opened again, and the way back from a
video ask the same query. Those that ask while it is being answered wait for that answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from vidseek.core.errors import JobCancelledError

if TYPE_CHECKING:
    from vidseek.library import Library

_Answer = TypeVar("_Answer")

MAX_ANSWERS = 256
MAX_AGE_SECONDS = 30.0
"""A file may be deleted, or a link changed, without a change of the library."""


class KeptAnswers(Generic[_Answer]):
    """The latest answers. Thread-safe."""

    def __init__(
        self, *, max_answers: int = MAX_ANSWERS, max_age_seconds: float = MAX_AGE_SECONDS
    ) -> None:
        self._max_answers = max_answers
        self._max_age_seconds = max_age_seconds
        self._answers: OrderedDict[Hashable, tuple[float, Future[_Answer]]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Hashable, answer: Callable[[], _Answer]) -> _Answer:
        """The answer to a query, from another request or made now.

        Args:
            key: the query, and the state of the library.
            answer: makes it; its errors are raised to all who wait, and not kept.
        """
        return self.get_all([key], lambda _: [answer()])[0]

    def get_all(
        self, keys: Sequence[Hashable], answer: Callable[[Sequence[int]], Sequence[_Answer]]
    ) -> list[_Answer]:
        """The answers to several queries, in their order.

        Args:
            keys: each a query and the state of the library.
            answer: takes the places of the keys without an answer, and makes those answers; its
                errors are raised to all who wait, and not kept.
        """
        claimed = [self._claim(key) for key in keys]
        ours = [place for place, (_, is_ours) in enumerate(claimed) if is_ours]
        futures = [future for future, _ in claimed]
        # Ours first: another thread may wait for them while we wait for its answers.
        if ours:
            try:
                for place, made in zip(ours, answer(ours), strict=True):
                    futures[place].set_result(made)
            except BaseException as error:
                for place in ours:
                    self._drop(keys[place], futures[place])
                    futures[place].set_exception(error)
        return [
            self._result(keys[place], future, None if place in ours else partial(answer, [place]))
            for place, future in enumerate(futures)
        ]

    def _result(
        self,
        key: Hashable,
        future: Future[_Answer],
        instead: Callable[[], Sequence[_Answer]] | None,
    ) -> _Answer:
        """Wait for an answer; if the request that was making it was cancelled, make it here."""
        try:
            return future.result()
        except JobCancelledError:
            if instead is None:
                raise
            return self.get_all([key], lambda _: instead())[0]

    def _claim(self, key: Hashable) -> tuple[Future[_Answer], bool]:
        """The answer to a query, and whether the caller has to make it."""
        now = time.monotonic()
        with self._guard:
            born, kept = self._answers.get(key, (0.0, None))
            if kept is not None and now - born <= self._max_age_seconds:
                return kept, False
            kept = Future()
            self._answers[key] = (now, kept)
            self._answers.move_to_end(key)
            while len(self._answers) > self._max_answers:
                self._answers.popitem(last=False)
            return kept, True

    def _drop(self, key: Hashable, kept: Future[_Answer]) -> None:
        with self._guard:
            if self._answers.get(key, (0.0, None))[1] is kept:
                del self._answers[key]


class PerState(Generic[_Answer]):
    """A fact about a library that is read once in each of its states. Thread-safe.

    Counting millions of clips takes seconds, and whatever watches a server asks every few seconds.
    """

    def __init__(self, library: Library, read: Callable[[], _Answer]) -> None:
        """Read nothing yet.

        Args:
            library: whose changes make the fact out of date.
            read: reads it.
        """
        self._library = library
        self._read = read
        self._kept: tuple[int, _Answer] | None = None

    def get(self) -> _Answer:
        """The fact, read now if the library has changed."""
        # Before the fact: one that is read during a change is read again.
        state = self._library.change_number()
        kept = self._kept
        if kept is None or kept[0] != state:
            kept = state, self._read()
            self._kept = kept
        return kept[1]
