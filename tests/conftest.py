"""Fixtures that every room's tests share, and what a skipped test means in CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

SKIP_IS_FAILURE = os.environ.get("VIDSEEK_SKIP_IS_FAILURE") == "1"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures and videos beside the checkout; skips where it is missing."""
    folder = Path(
        os.environ.get("VIDSEEK_SHARED_DATA")
        or Path(__file__).resolve().parents[2] / "shared" / "data"
    )
    if not folder.is_dir():
        pytest.skip(f"needs real data: {folder} is missing (set VIDSEEK_SHARED_DATA)")
    return folder


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """Take back the realtime priority that encoding AV1 with SVT-AV1 gives a process of root.

    It would keep the processor from everything else that the tests start.
    """
    yield
    if sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each module to one worker, and all of training/lab: its tests share a run."""
    from xdist.scheduler import LoadScopeScheduling

    class ModuleScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return "lab" if "/training/lab/" in module else module

    return ModuleScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    is_skip = report.skipped and not hasattr(report, "wasxfail")
    if SKIP_IS_FAILURE and is_skip and item.get_closest_marker("cuda") is None:
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure here: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if SKIP_IS_FAILURE and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped, which is a failure here: {report.longrepr}"
    return report
