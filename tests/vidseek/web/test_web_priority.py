"""Work that decodes video leaves the processor to searches."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

from web_server import RunningServer

from vidseek.web.priority import POLITENESS


def nice_value(_: object) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_checks_are_nicer_than_searches(server: RunningServer) -> None:
    from starlette.requests import Request

    async def never() -> Any:
        await asyncio.Event().wait()

    async def ask() -> list[int]:
        request = Request({"type": "http"}, never)
        pools = (server.service.quick, server.service.heavy)
        return [await pool.run(request, nice_value) for pool in pools]

    searching, checking = asyncio.run(ask())
    if sys.platform == "linux":
        assert checking == min(searching + POLITENESS, 19)
