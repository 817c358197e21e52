"""Answers that are kept until the library changes.

Several people who look for the same thing, a page that is opened again, and the way back from a
video ask the same query. Those that ask while it is being answered wait for that answer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

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
        now = time.monotonic()
        with self._guard:
            born, kept = self._answers.get(key, (0.0, None))
            is_ours = kept is None or now - born > self._max_age_seconds
            if is_ours:
                kept = Future()
                self._answers[key] = (now, kept)
                self._answers.move_to_end(key)
                while len(self._answers) > self._max_answers:
                    self._answers.popitem(last=False)
        assert kept is not None
        if is_ours:
            self._make(key, kept, answer)
        return kept.result()

    def _make(self, key: Hashable, kept: Future[_Answer], answer: Callable[[], _Answer]) -> None:
        try:
            kept.set_result(answer())
        except BaseException as error:
            with self._guard:
                if self._answers.get(key, (0.0, None))[1] is kept:
                    del self._answers[key]
            kept.set_exception(error)
