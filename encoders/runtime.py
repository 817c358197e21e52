"""Inference sessions: OpenVINO for the visual part if it is installed, otherwise ONNX Runtime.

    session = visual_session(blob, threads=2)
    vectors, tokens = session.run(["vectors", "tokens"], {"pictures": pictures})

Text stays with ONNX Runtime: it loads in a sixth of the time, and a query from the shell is one
sentence. Pictures come by the thousand, and OpenVINO computes them in bfloat16 where the processor
can, more than twice as fast (`python -m benchmarks.retrieval --only speed`).
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vidseek.core.telemetry import without_openvino_telemetry

logger = logging.getLogger(__name__)

Runtime = Literal["openvino", "onnxruntime"]


class Session(Protocol):
    """A loaded network. Safe to use from several threads."""

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Compute the named outputs."""


def visual_runtime() -> Runtime:
    """The runtime of the visual part on this machine."""
    return "openvino" if find_spec("openvino") else "onnxruntime"


def onnxruntime_session(blob: bytes, *, threads: int) -> Any:
    """Load a network into ONNX Runtime, in float32."""
    import onnxruntime

    # The switch for Windows, and for a program that imported ONNX Runtime before vidseek.
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads would take the cores from the decoding processes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])


def visual_session(blob: bytes, *, threads: int, runtime: Runtime | None = None) -> Session:
    """Load the visual network.

    Args:
        blob: bytes of the ONNX file.
        threads: processor threads to compute with.
        runtime: ``visual_runtime()`` if None.
    """
    if (runtime or visual_runtime()) == "openvino":
        return OpenVinoSession(blob, threads=threads)
    session: Session = onnxruntime_session(blob, threads=threads)
    return session


def input_names(session: Any) -> set[str]:
    """Names of a loaded network's inputs."""
    if isinstance(session, OpenVinoSession):
        return session.inputs
    return {entry.name for entry in session.get_inputs()}


class OpenVinoSession:
    """A network in OpenVINO, in bfloat16 where the processor computes it."""

    def __init__(self, blob: bytes, *, threads: int) -> None:
        with without_openvino_telemetry():
            import openvino

        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = "bf16" if "BF16" in able else "f32"
        self._compiled = core.compile_model(
            core.read_model(io.BytesIO(blob)),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": self.precision,
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
                # Pinned threads would compete with the decoding processes for a core.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self.inputs: set[str] = {port.any_name for port in self._compiled.inputs}
        self._own = threading.local()
        logger.debug("the visual part runs in OpenVINO, %s", self.precision)

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Compute the named outputs."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        # Shared, because a copy would have to fit into the tensors of the first batch. Results are
        # copied: the next call writes over them.
        request.infer(arrays, share_inputs=True, share_outputs=True)
        return [np.array(request.get_tensor(name).data, np.float32) for name in outputs]
