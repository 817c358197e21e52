"""Turn off the reports that other packages send about their users.

switch_off_telemetry()  # before any of those packages is imported
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SWITCHES = (
    # ONNX Runtime, off Windows: from 1.29 on it creates a device id when it is imported and sends
    # events from processes that run for some seconds.
    "ORT_DISABLE_TELEMETRY",
    # huggingface_hub, and what builds on it.
    "HF_HUB_DISABLE_TELEMETRY",
)
"""Environment variables that these packages read when they are imported."""


def switch_off_telemetry() -> None:
    """Set the documented switches, for this process and those that it starts."""
    for switch in _SWITCHES:
        os.environ[switch] = "1"


@contextmanager
def without_openvino_telemetry() -> Iterator[None]:
    """Let OpenVINO be imported without openvino-telemetry, which has no switch but a file at home.

    Importing OpenVINO with that package present creates a client id in the home directory and
    reports the import to an analytics service. Without it, OpenVINO uses its own stand-in, which
    does nothing.
    """
    package = "openvino_telemetry"
    if package in sys.modules:
        yield  # the program imported it before
        return
    sys.modules[package] = None  # type: ignore[assignment]  # importing it raises ImportError
    try:
        yield
    finally:
        del sys.modules[package]
