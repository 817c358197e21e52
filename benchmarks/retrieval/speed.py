"""Frames per second against plain ONNX Runtime in the same run, and the time of a query."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from vidseek.encoders.builtin.encoder import BuiltinEncoder
from vidseek.encoders.manifest import read_manifest
from vidseek.encoders.runtime import visual_runtime

BATCH = 32
REPEATS = 7


def speed(encoder: BuiltinEncoder, *, threads: int | None) -> None:
    """Print the table of speeds."""
    import onnxruntime

    side = encoder.spec.image_size
    frames = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    options = onnxruntime.SessionOptions()
    if threads:
        options.intra_op_num_threads = threads
    plain = onnxruntime.InferenceSession(
        read_manifest(encoder.folder).read("vision"), options, providers=["CPUExecutionProvider"]
    )
    # In turns, so that other work on the machine slows both.
    ours, theirs = [], []
    for _ in range(REPEATS):
        ours.append(_seconds(lambda: encoder.encode_frames(frames)))
        theirs.append(_seconds(lambda: plain.run(None, {"pictures": frames})))
    query = [_seconds(lambda: encoder.encode_text(["a dog on the beach"])) for _ in range(50)]
    load = [
        _seconds(lambda: BuiltinEncoder(encoder.folder).encode_text(["a dog"])) for _ in range(5)
    ]
    fast, slow = BATCH / float(np.median(ours)), BATCH / float(np.median(theirs))
    print("\n| speed, medians | |\n| --- | --- |")
    print(f"| frames per second, batch {BATCH}, {side} px ({visual_runtime()}) | {fast:.0f} |")
    print(f"| the same graph in ONNX Runtime, float32, same batch | {slow:.0f} |")
    print(f"| ratio | {fast / slow:.2f} |")
    print(f"| warm text query, ms | {np.median(query) * 1e3:.1f} |")
    print(f"| loading the text part, first query included, ms | {np.median(load) * 1e3:.0f} |")


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
