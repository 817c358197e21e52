"""Tensors inside a network: found by what computes them, and read as further outputs.

    nodes = read_nodes(blob)
    before = producer(nodes, "clips").inputs[0]
    session = onnxruntime_session(with_outputs(blob, [before]), threads=1)

An ONNX file is a protocol buffer, and protocol buffers may be concatenated: singular messages are
merged field by field, and repeated fields appended (Protocol Buffers, "Last One Wins"). So a model
with nothing but a graph of outputs, appended to a model, adds the outputs to it. This needs neither
another file nor the package onnx, which only training has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MODEL_GRAPH = 7
_GRAPH_NODE = 1
_GRAPH_OUTPUT = 12
_NODE_INPUT = 1
_NODE_OUTPUT = 2
_NODE_OPERATION = 4
_VALUE_NAME = 1
"""Numbers of fields in onnx.proto3."""
_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class Node:
    """An operation of a network, and the names of its tensors."""

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_nodes(blob: bytes) -> list[Node]:
    """The operations of an ONNX file, in order.

    Raises:
        LookupError: the bytes are not of an ONNX file.
    """
    try:
        return [
            _node(content)
            for number, graph in _fields(memoryview(blob))
            if number == _MODEL_GRAPH
            for field, content in _fields(graph)
            if field == _GRAPH_NODE
        ]
    except (IndexError, ValueError) as error:
        raise LookupError(f"is not an ONNX file ({error})") from error


def producer(nodes: Sequence[Node], tensor: str) -> Node:
    """The operation that computes a tensor.

    Raises:
        LookupError: none does.
    """
    for node in nodes:
        if tensor in node.outputs:
            return node
    raise LookupError(f"computes no {tensor}")


def consumer(nodes: Sequence[Node], tensor: str) -> Node:
    """The first operation that reads a tensor.

    Raises:
        LookupError: none does.
    """
    for node in nodes:
        if tensor in node.inputs:
            return node
    raise LookupError(f"reads no {tensor}")


def with_outputs(blob: bytes, names: Sequence[str]) -> bytes:
    """The bytes of an ONNX file with more of its tensors as outputs.

    Args:
        blob: bytes of the file.
        names: tensors that its nodes compute, or initializers.
    """
    values = [_field(_VALUE_NAME, name.encode()) for name in names]
    graph = b"".join(_field(_GRAPH_OUTPUT, value) for value in values)
    return blob + _field(_MODEL_GRAPH, graph)


def _node(content: memoryview) -> Node:
    names: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_OPERATION: []}
    for number, value in _fields(content):
        if number in names:
            names[number].append(bytes(value).decode())
    operation = "".join(names[_NODE_OPERATION])
    return Node(operation, tuple(names[_NODE_INPUT]), tuple(names[_NODE_OUTPUT]))


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of a message's length-delimited fields."""
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == _LENGTH_DELIMITED:
            size, place = _read_varint(message, place)
            yield number, message[place : place + size]
            place += size
        elif kind == _VARINT:
            _, place = _read_varint(message, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = []
    while True:
        value, group = value >> 7, value & 127
        groups.append(group | (128 if value else 0))
        if not value:
            return bytes(groups)
