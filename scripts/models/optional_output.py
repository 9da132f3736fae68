"""Makes an output of an ONNX graph optional: it is computed where a switch asks for it.

ONNX Runtime computes every output of a graph, whether a call asks for it or not. The nodes that one output
alone needs become a branch of an `If` on a new input.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def make_optional(model: onnx.ModelProto, output: str, switch: str) -> onnx.ModelProto:
    """The model with one more input, `switch` (one bool): where it is false, `output` is empty.

    The empty tensor is (0, …) with the other sizes of the output. Other outputs come from the same nodes as
    before.
    """
    graph = model.graph
    others = _find_needed(graph.node, [each.name for each in graph.output if each.name != output])
    shared = [node for node in graph.node if others.intersection(node.output)]
    own = [node for node in graph.node if not others.intersection(node.output)]
    read = {name for node in shared for name in node.input}
    weights = [each for each in graph.initializer if each.name not in read]
    kept = [each for each in graph.initializer if each.name in read]
    result = next(each for each in graph.output if each.name == output)
    sizes = [each.dim_value for each in result.type.tensor_type.shape.dim]
    empty = numpy_helper.from_array(np.zeros([0, *sizes[1:]], np.float32))
    name = f"{output}_of_branch"
    for node in own:
        node.output[:] = [name if each == output else each for each in node.output]
    asked = helper.make_graph(own, "asked", [], [_declare(name, sizes)], weights)
    nothing = helper.make_node("Constant", [], [f"no_{output}"], value=empty)
    missing = helper.make_graph([nothing], "not_asked", [], [_declare(f"no_{output}", [0, *sizes[1:]])])
    choice = helper.make_node("If", [switch], [output], then_branch=asked, else_branch=missing)
    result.type.tensor_type.shape.dim[0].ClearField("dim_value")
    built = helper.make_graph(
        [*shared, choice],
        graph.name,
        [*graph.input, helper.make_tensor_value_info(switch, TensorProto.BOOL, [1])],
        list(graph.output),
        kept,
    )
    optional = helper.make_model(built, opset_imports=model.opset_import, ir_version=model.ir_version)
    optional.producer_name = model.producer_name
    onnx.checker.check_model(optional, full_check=True)
    return optional


def _declare(name: str, sizes: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)


def _find_needed(nodes: list[onnx.NodeProto], outputs: list[str]) -> set[str]:
    """The names of all values that the outputs depend on; nodes come after what they read."""
    needed = set(outputs)
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
    return needed
