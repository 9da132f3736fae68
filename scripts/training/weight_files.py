"""How the shape prior's ONNX file holds its weights: two networks in one graph, stored small.

One branch is for crops with the mask alone, the other for those with measured depth. Large weights are
eight-bit integers with a step for each row, others float16; the graph makes them float32 when it is loaded,
and computes with that.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
HALF, WHOLE, STEP = ".half", ".whole", ".step"
# Weights and biases of fewer numbers stay float32.
MIN_NUMBERS = 64
# Numbers from which weights become integers; the others are too few to matter.
MIN_WHOLE_NUMBERS = 16384
# Channel of the crop that says where depth is known.
KNOWN_CHANNEL = 5
# Names of what is measured in the joint graph.
MEASURED = "measured/"
INPUTS = ("crop", "tangent")


def shrink_weights(model: ModelProto) -> None:
    """Store the weights of a model in place as smaller numbers, and cast them in the graph."""
    casts: list[NodeProto] = []
    added: list[TensorProto] = []
    for tensor in model.graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.dtype != np.float32 or values.size < MIN_NUMBERS:
            continue
        if values.ndim > 1 and values.size >= MIN_WHOLE_NUMBERS:
            axes = tuple(range(1, values.ndim))
            step = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-12) / 127
            whole = np.round(values / step).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(whole, name + WHOLE))
            added.append(numpy_helper.from_array(step.astype(np.float32), name + STEP))
            casts += [
                helper.make_node("Cast", [name + WHOLE], [f"{name}.cast"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}.cast", name + STEP], [name]),
            ]
        else:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + HALF))
            casts.append(helper.make_node("Cast", [name + HALF], [name], to=TensorProto.FLOAT))
    model.graph.initializer.extend(added)
    _replace(model.graph.node, [*casts, *model.graph.node])


def read_weights(graph: GraphProto) -> dict[str, NDArray[np.float32]]:
    """The float32 weights of a graph by the names that its nodes use."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    out = {}
    for name, values in stored.items():
        if name.endswith(WHOLE):
            base = name.removesuffix(WHOLE)
            out[base] = values.astype(np.float32) * stored[base + STEP]
        elif not name.endswith(STEP):
            out[name.removesuffix(HALF)] = values.astype(np.float32) if values.dtype == np.float16 else values
    return out


def join_branches(alone: ModelProto, measured: ModelProto) -> ModelProto:
    """One model of two with the same inputs and outputs: the second where any depth is measured."""
    outputs = [output.name for output in alone.graph.output]
    branches = {
        "else_branch": _copy_graph(alone.graph, ""),
        "then_branch": _copy_graph(measured.graph, MEASURED),
    }
    constants = [
        numpy_helper.from_array(np.array(KNOWN_CHANNEL), "known channel"),
        numpy_helper.from_array(np.array(0, np.float32), "nothing"),
    ]
    nodes = [
        helper.make_node("Gather", ["crop", "known channel"], ["known"], axis=1),
        helper.make_node("ReduceMax", ["known"], ["most known"], keepdims=0),
        helper.make_node("Greater", ["most known", "nothing"], ["is measured"]),
        helper.make_node("If", ["is measured"], outputs, **branches),
    ]
    graph = helper.make_graph(nodes, "shape_prior", alone.graph.input, alone.graph.output, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def take_branch(model: ModelProto, *, measured: bool) -> ModelProto:
    """The network for the mask alone, or the one for measured depth; a model of one network is both."""
    choice = next((node for node in model.graph.node if node.op_type == "If"), None)
    if choice is None:
        return model
    wanted = "then_branch" if measured else "else_branch"
    branch = next(attribute.g for attribute in choice.attribute if attribute.name == wanted)
    taken = ModelProto()
    taken.CopyFrom(model)
    taken.graph.CopyFrom(branch)
    prefix = MEASURED if measured else ""
    _rename(taken.graph, lambda name: name.removeprefix(prefix))
    taken.graph.input.extend(model.graph.input)
    return taken


def _copy_graph(graph: GraphProto, prefix: str) -> GraphProto:
    """A graph as a branch: without inputs, which it takes from around it, and with names of its own."""
    branch = GraphProto()
    branch.CopyFrom(graph)
    del branch.input[:]
    _rename(branch, lambda name: name if name in ("", *INPUTS) else f"{prefix}{name}")
    return branch


def _rename(graph: GraphProto, change: Callable[[str], str]) -> None:
    """Change the names of all nodes and values of a graph in place."""
    for node in graph.node:
        node.name = change(node.name)
        _replace(node.input, [change(name) for name in node.input])
        _replace(node.output, [change(name) for name in node.output])
    for value in (*graph.initializer, *graph.output, *graph.value_info):
        value.name = change(value.name)


def _replace(field: Any, values: Iterable[Any]) -> None:
    """Put other values into a repeated field."""
    values = list(values)
    del field[:]
    field.extend(values)
