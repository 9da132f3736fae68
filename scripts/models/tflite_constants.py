"""Reads the constants of a TensorFlow Lite model: sparse ones are expanded."""

import numpy as np
import tflite

DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


def read_constant(model: object, tensor: object) -> np.ndarray | None:
    """The array stored for a tensor, or None for an activation."""
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength() == 0:
        return None
    shape = tuple(int(n) for n in tensor.ShapeAsNumpy())
    flat = np.frombuffer(buffer.DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
    sparsity = tensor.Sparsity()
    return densify(flat, shape, sparsity) if sparsity else flat.reshape(shape)


def densify(values: np.ndarray, shape: tuple[int, ...], sparsity: object) -> np.ndarray:
    """Expand a sparse constant: TFLite schema `SparsityParameters`, block-compressed rows included."""
    order = sparsity.TraversalOrderAsNumpy()
    block_map = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else np.zeros(0, np.int32)
    rank = len(shape)
    levels = [sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength())]
    block = {int(block_map[i]): levels[rank + i].DenseSize() for i in range(len(block_map))}
    out = np.zeros(shape, values.dtype)
    cursor = 0

    def vector(level: object, what: str) -> np.ndarray:
        kind = getattr(level, f"{what}Type")()
        table = getattr(level, what)()
        cls = {
            tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
            tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
            tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
        }[kind]()
        cls.Init(table.Bytes, table.Pos)
        return cls.ValuesAsNumpy()

    segments = [
        vector(m, "ArraySegments") if m.Format() == tflite.DimensionType.SPARSE_CSR else None for m in levels
    ]
    indices = [
        vector(m, "ArrayIndices") if m.Format() == tflite.DimensionType.SPARSE_CSR else None for m in levels
    ]

    def walk(level: int, position: int, index: list[int]) -> None:
        nonlocal cursor
        if level == len(levels):
            place = [0] * rank
            for axis, i in zip(order, index, strict=True):
                if axis < rank:
                    place[axis] += i * block.get(int(axis), 1)
                else:
                    place[int(block_map[axis - rank])] += i
            out[tuple(place)] = values[cursor]
            cursor += 1
            return
        if segments[level] is None:
            size = levels[level].DenseSize()
            for i in range(size):
                walk(level + 1, position * size + i, [*index, i])
        else:
            for k in range(int(segments[level][position]), int(segments[level][position + 1])):
                walk(level + 1, k, [*index, int(indices[level][k])])

    walk(0, 0, [])
    return out
