"""Graphs of ONNX models cut down to the outputs that are read.

ONNX Runtime computes every output of a graph, whether a call asks for it or not. Serialized models are
protocol buffers, and dropping nodes needs no more of them than a few field numbers (`onnx.proto`, IR version
3 and later), so that the `onnx` package is not a dependency.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

# Field numbers of ModelProto, GraphProto, NodeProto and ValueInfoProto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_OUTPUT = 1, 12
NODE_INPUT, NODE_OUTPUT, NODE_ATTRIBUTE = 1, 2, 5
VALUE_NAME = 1
ATTRIBUTE_GRAPHS = {6, 11}
# Wire types: a number of variable length, eight bytes, bytes with their length before them, four bytes.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a message: its number, all of its bytes, and where in them its content begins."""

    number: int
    encoded: bytes
    start: int

    @property
    def content(self) -> bytes:
        return self.encoded[self.start :]


def keep_outputs(model: bytes, outputs: Collection[str]) -> bytes:
    """A serialized model with only the named outputs of its graph, and the nodes that these need.

    What remains is computed by the same nodes in the same order. Weights that nothing needs stay in the
    bytes; the runtime drops them. Raises ValueError for bytes that are no model, an output that the graph
    does not have, and a graph whose nodes hold graphs of their own.
    """
    parts = list(_read_fields(model))
    if sum(part.number == MODEL_GRAPH for part in parts) != 1:
        raise ValueError("not an ONNX model with one graph")
    return b"".join(
        _encode(MODEL_GRAPH, _cut_graph(part.content, outputs))
        if part.number == MODEL_GRAPH
        else part.encoded
        for part in parts
    )


def _cut_graph(graph: bytes, outputs: Collection[str]) -> bytes:
    parts = list(_read_fields(graph))
    known = {_read_names(part.content, VALUE_NAME)[0] for part in parts if part.number == GRAPH_OUTPUT}
    if missing := set(outputs) - known:
        raise ValueError(f"the graph has no output {sorted(missing)[0]!r}")
    needed, kept = set(outputs), []
    # nodes are in an order in which each comes after what it reads
    for part in reversed(parts):
        if part.number == GRAPH_OUTPUT and _read_names(part.content, VALUE_NAME)[0] not in outputs:
            continue
        if part.number == GRAPH_NODE:
            if needed.isdisjoint(_read_names(part.content, NODE_OUTPUT)):
                continue
            _refuse_subgraphs(part.content)
            needed.update(_read_names(part.content, NODE_INPUT))
        kept.append(part.encoded)
    return b"".join(reversed(kept))


def _refuse_subgraphs(node: bytes) -> None:
    for part in _read_fields(node):
        if part.number == NODE_ATTRIBUTE and any(
            inner.number in ATTRIBUTE_GRAPHS for inner in _read_fields(part.content)
        ):
            raise ValueError("a node holds a graph of its own, which may read more than its inputs")


def _read_names(message: bytes, number: int) -> list[str]:
    return [part.content.decode() for part in _read_fields(message) if part.number == number]


def _read_fields(message: bytes) -> Iterator[_Field]:
    """Yield the fields of a message in order."""
    at = 0
    while at < len(message):
        begin = at
        key, at = _read_varint(message, at)
        number, kind, start = key >> 3, key & 7, at
        if kind == VARINT:
            _, at = _read_varint(message, at)
        elif kind == BYTES:
            length, start = _read_varint(message, at)
            at = start + length
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise ValueError("not a protocol buffer")
        if at > len(message):
            raise ValueError("a protocol buffer that ends too early")
        yield _Field(number, message[begin:at], start - begin)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a protocol buffer that ends too early")


def _encode(number: int, content: bytes) -> bytes:
    return _write_varint(number << 3 | BYTES) + _write_varint(len(content)) + content


def _write_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
