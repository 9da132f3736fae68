"""Converts a TensorFlow Lite graph to ONNX, one node for each operator.

Activations run in NCHW; inputs and outputs keep the NHWC layout of the original. Only the operators of the
BlazePose and hand landmark models are known.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper
from tflite_constants import read_constant

OPERATORS = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
ACTIVATIONS = tflite.ActivationFunctionType
NHWC_TO_NCHW = (0, 3, 1, 2)
NCHW_TO_NHWC = (0, 2, 3, 1)


@dataclass
class Converter:
    """Walks one TFLite graph and collects ONNX nodes."""

    model: object
    nodes: list = field(default_factory=list)
    initializers: list = field(default_factory=list)
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    counter: int = 0

    def __post_init__(self) -> None:
        self.graph = self.model.Subgraphs(0)

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self.graph.Tensors(index).ShapeAsNumpy())

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}_{self.counter}"

    def emit(self, op: str, inputs: list[str], **attributes: object) -> str:
        out = self.fresh(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        return out

    def constant(self, array: np.ndarray, stem: str = "c") -> str:
        name = self.fresh(stem)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype == np.float16:
            return self.emit("Cast", [name], to=TensorProto.FLOAT)
        return name

    def value(self, index: int) -> np.ndarray | None:
        """The constant behind a tensor, or None for an activation."""
        if index in self.constants:
            return self.constants[index]
        array = read_constant(self.model, self.graph.Tensors(index))
        if array is not None:
            self.constants[index] = array
        return array

    def operand(self, index: int) -> str:
        """Name of an activation, or a constant brought into NCHW."""
        if index in self.names:
            return self.names[index]
        array = self.value(index)
        return self.constant(array.transpose(NHWC_TO_NCHW) if array.ndim == 4 else array)

    def activate(self, name: str, kind: int) -> str:
        if kind == ACTIVATIONS.NONE:
            return name
        if kind == ACTIVATIONS.RELU:
            return self.emit("Relu", [name])
        if kind == ACTIVATIONS.RELU6:
            bounds = [self.constant(np.array(x, np.float32)) for x in (0, 6)]
            return self.emit("Clip", [name, *bounds])
        raise ValueError(f"activation {kind}")

    def same_pads(self, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> list[int]:
        """ONNX pads (top, left, bottom, right) of TFLite's SAME rule."""
        before, after = [], []
        for n, k, s in zip(size, kernel, stride, strict=True):
            total = max((-(-n // s) - 1) * s + k - n, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    def options(self, operator: object, cls: type) -> object:
        out = cls()
        table = operator.BuiltinOptions()
        out.Init(table.Bytes, table.Pos)
        return out

    def convolution(self, operator: object, depthwise: bool) -> str:
        option = self.options(operator, tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
        source, weight, bias = (operator.Inputs(i) for i in range(3))
        kernel = self.value(weight)
        arranged = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        dilation = (option.DilationHFactor(), option.DilationWFactor())
        stride = (option.StrideH(), option.StrideW())
        size = arranged.shape[2:]
        reach = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
        same = option.Padding() == tflite.Padding.SAME
        pads = self.same_pads(self.shape(source)[1:3], reach, stride) if same else [0, 0, 0, 0]
        out = self.emit(
            "Conv",
            [self.operand(source), self.constant(arranged, "w"), self.constant(self.value(bias), "b")],
            kernel_shape=list(size),
            strides=list(stride),
            dilations=list(dilation),
            pads=pads,
            group=self.shape(source)[3] if depthwise else 1,
        )
        return self.activate(out, option.FusedActivationFunction())

    def pool(self, operator: object) -> str:
        option = self.options(operator, tflite.Pool2DOptions)
        source = operator.Inputs(0)
        kernel = (option.FilterHeight(), option.FilterWidth())
        stride = (option.StrideH(), option.StrideW())
        same = option.Padding() == tflite.Padding.SAME
        pads = self.same_pads(self.shape(source)[1:3], kernel, stride) if same else [0, 0, 0, 0]
        out = self.emit(
            "MaxPool", [self.operand(source)], kernel_shape=list(kernel), strides=list(stride), pads=pads
        )
        return self.activate(out, option.FusedActivationFunction())

    def pad(self, operator: object) -> str:
        pads = self.value(operator.Inputs(1)).astype(np.int64)[list(NHWC_TO_NCHW)]
        return self.emit("Pad", [self.operand(operator.Inputs(0)), self.constant(pads.T.reshape(-1))])

    def resize(self, operator: object) -> str:
        option = self.options(operator, tflite.ResizeBilinearOptions)
        mode = "half_pixel" if option.HalfPixelCenters() else "asymmetric"
        mode = "align_corners" if option.AlignCorners() else mode
        n, h, w, c = self.shape(operator.Outputs(0))
        sizes = self.constant(np.array([n, c, h, w], np.int64))
        return self.emit(
            "Resize",
            [self.operand(operator.Inputs(0)), "", "", sizes],
            mode="linear",
            coordinate_transformation_mode=mode,
        )

    def reshape(self, operator: object) -> str:
        name = self.operand(operator.Inputs(0))
        if len(self.shape(operator.Inputs(0))) == 4:
            name = self.emit("Transpose", [name], perm=NCHW_TO_NHWC)
        target = self.shape(operator.Outputs(0))
        out = self.emit("Reshape", [name, self.constant(np.array(target, np.int64))])
        return self.emit("Transpose", [out], perm=NHWC_TO_NCHW) if len(target) == 4 else out

    def mean(self, operator: object) -> str:
        """The mean over rows and columns, as MediaPipe's heads take it; other axes are refused."""
        axes = sorted(int(axis) for axis in np.atleast_1d(self.value(operator.Inputs(1))))
        if axes != [1, 2]:
            raise ValueError(f"mean over axes {axes}")
        option = self.options(operator, tflite.ReducerOptions)
        source = [self.operand(operator.Inputs(0))]
        return self.emit("ReduceMean", source, axes=[2, 3], keepdims=int(option.KeepDims()))

    def fully_connected(self, operator: object) -> str:
        option = self.options(operator, tflite.FullyConnectedOptions)
        source, weight, bias = (operator.Inputs(i) for i in range(3))
        name = self.operand(source)
        if len(self.shape(source)) == 4:
            name = self.emit("Transpose", [name], perm=NCHW_TO_NHWC)
        flat = self.emit("Flatten", [name], axis=1)
        tables = [self.constant(self.value(weight), "w"), self.constant(self.value(bias), "b")]
        return self.activate(self.emit("Gemm", [flat, *tables], transB=1), option.FusedActivationFunction())

    def operator(self, operator: object, name: str) -> None:
        result = operator.Outputs(0)
        if name in ("DEQUANTIZE", "DENSIFY"):
            self.constants[result] = self.value(operator.Inputs(0))
            return
        if name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            out = self.convolution(operator, depthwise=name.startswith("DEPTHWISE"))
        elif name == "ADD":
            option = self.options(operator, tflite.AddOptions)
            out = self.emit("Add", [self.operand(operator.Inputs(i)) for i in range(2)])
            out = self.activate(out, option.FusedActivationFunction())
        elif name == "CONCATENATION":
            option = self.options(operator, tflite.ConcatenationOptions)
            rank = len(self.shape(result))
            axis = option.Axis() % rank
            axis = NHWC_TO_NCHW.index(axis) if rank == 4 else axis
            parts = [self.operand(operator.Inputs(i)) for i in range(operator.InputsLength())]
            out = self.emit("Concat", parts, axis=axis)
        elif name == "DEPTH_TO_SPACE":
            option = self.options(operator, tflite.DepthToSpaceOptions)
            source = self.operand(operator.Inputs(0))
            out = self.emit("DepthToSpace", [source], blocksize=option.BlockSize(), mode="DCR")
        elif name == "LOGISTIC":
            out = self.emit("Sigmoid", [self.operand(operator.Inputs(0))])
        else:
            simple = {
                "PAD": self.pad,
                "RESIZE_BILINEAR": self.resize,
                "MAX_POOL_2D": self.pool,
                "RESHAPE": self.reshape,
                "MEAN": self.mean,
                "FULLY_CONNECTED": self.fully_connected,
            }
            out = simple[name](operator)
        self.names[result] = out

    def convert(self, title: str, output_names: list[str]) -> onnx.ModelProto:
        source = self.graph.Inputs(0)
        self.names[source] = self.emit("Transpose", ["image"], perm=NHWC_TO_NCHW)
        for i in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(i)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            self.operator(operator, OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])
        outputs = []
        for i, name in enumerate(output_names):
            index = self.graph.Outputs(i)
            shape = self.shape(index)
            inner = self.operand(index)
            if len(shape) == 4:
                self.nodes.append(helper.make_node("Transpose", [inner], [name], perm=NCHW_TO_NHWC))
            else:
                self.nodes.append(helper.make_node("Identity", [inner], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, self.shape(source))
        graph = helper.make_graph(self.nodes, title, [image], outputs, self.initializers)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        proto.producer_name = "convert_blazepose"
        onnx.checker.check_model(proto, full_check=True)
        return proto
