"""Decoding the accessors of a GLB: strides, sparse values, normalised integers, each within its buffer.

trimesh is not used for GLB: it ignores `normalized`, leaves fans out, and takes linear colours for sRGB.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.formats.limits import MAX_MESH_BYTES

BYTE, UBYTE, SHORT, USHORT, UINT, FLOAT = 5120, 5121, 5122, 5123, 5125, 5126
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
DTYPES: dict[int, type[np.generic]] = {
    BYTE: np.int8,
    UBYTE: np.uint8,
    SHORT: np.int16,
    USHORT: np.uint16,
    UINT: np.uint32,
    FLOAT: np.float32,
}
Json = dict[str, Any]
# What a document whose values have other types than glTF's ends in; GlbError is a ValueError.
MALFORMED = (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError, RecursionError)


class GlbError(ValueError):
    """The bytes are not a GLB that can be read; the message says why."""


def get_item(document: Json, kind: str, index: Any) -> Json:
    """Entry `index` of one of the document's lists; raises GlbError where there is none."""
    items = document.get(kind, [])
    if type(index) is not int or not 0 <= index < len(items):
        raise GlbError(f"{kind}[{index}] does not exist")
    return dict(items[index])


def decode_data_uri(uri: str) -> bytes | None:
    """The bytes of a base64 `data:` address; None for other addresses, which nothing here opens."""
    head, comma, text = uri.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise GlbError(f"a data address is broken: {error}") from error


def read_accessor(document: Json, buffers: Sequence[bytes | None], index: int) -> NDArray[Any]:
    """The values of an accessor as (count,) or (count, components), in the file's own type, read-only.

    They are not copied unless the accessor is sparse. Raises GlbError for one that reaches outside its
    buffer, and for one without values.
    """
    item = get_item(document, "accessors", index)
    try:
        dtype = np.dtype(DTYPES[item["componentType"]]).newbyteorder("<")
        width, count = COMPONENTS[item["type"]], int(item["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise GlbError(f"accessor {index} is malformed: {error!r}") from error
    sparse = item.get("sparse")
    if "bufferView" in item:
        values = _read_view(document, buffers, item, dtype, (count, width))
        values = values if sparse is None else values.copy()
    elif sparse is None:
        raise GlbError(f"accessor {index} has no values: compressed meshes are not supported")
    elif not 0 < count * width * dtype.itemsize <= MAX_MESH_BYTES:
        raise GlbError(f"accessor {index} declares {count} values, more than are supported")
    else:
        values = np.zeros((count, width), dtype)
    if sparse is not None:
        _replace_sparse(document, buffers, sparse, values)
    return values[:, 0] if width == 1 else values


def read_floats(
    document: Json,
    buffers: Sequence[bytes | None],
    index: int,
    width: int,
    rows: NDArray[np.int64] | None = None,
) -> NDArray[Any]:
    """The values (count, width) of an accessor, or those at `rows`: float32 as they are, integers as float64.

    Normalised integers become numbers in [-1, 1]. Raises GlbError for another number of components.
    """
    raw = read_accessor(document, buffers, index)
    if rows is not None:
        raw = take_rows(raw, rows)
    values = raw.reshape(len(raw), -1)
    if values.shape[1] != width:
        raise GlbError(f"accessor {index} has {values.shape[1]} components, not {width}")
    if raw.dtype.kind == "f":
        return values
    numbers = values.astype(np.float64)
    if document["accessors"][index].get("normalized"):
        numbers = np.maximum(numbers / np.iinfo(raw.dtype).max, -1.0)
    return numbers


def take_rows(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """The values at `rows`; raises GlbError for an attribute that is shorter than the positions."""
    if len(rows) and rows.max() >= len(values):
        raise GlbError("the attributes of a primitive differ in length")
    return np.asarray(values[rows])


def read_view_bytes(document: Json, buffers: Sequence[bytes | None], index: int) -> bytes:
    """The bytes of a buffer view, such as an image; raises GlbError when they are not in the file."""
    view, data, start = _find_view(document, buffers, index)
    end = start + int(view["byteLength"])
    if not start < end <= len(data):
        raise GlbError(f"bufferView {index} reaches outside its buffer")
    return data[start:end]


def _find_view(document: Json, buffers: Sequence[bytes | None], index: Any) -> tuple[Json, bytes, int]:
    """A buffer view, its buffer and where it starts there."""
    view = get_item(document, "bufferViews", index)
    buffer = view.get("buffer", 0)
    data = buffers[buffer] if type(buffer) is int and 0 <= buffer < len(buffers) else None
    if data is None:
        raise GlbError(f"the buffer of bufferView {index} is not in the file")
    start = int(view.get("byteOffset", 0))
    if start < 0:
        raise GlbError(f"bufferView {index} starts before its buffer")
    return view, data, start


def _read_view(
    document: Json,
    buffers: Sequence[bytes | None],
    item: Json,
    dtype: np.dtype[Any],
    shape: tuple[int, int],
) -> NDArray[Any]:
    view, data, start = _find_view(document, buffers, item["bufferView"])
    count, width = shape
    row = width * dtype.itemsize
    try:
        start += int(item.get("byteOffset", 0))
        stride = int(view.get("byteStride", row))
    except (TypeError, ValueError) as error:
        raise GlbError(f"an accessor is malformed: {error!r}") from error
    end = start + stride * (count - 1) + row
    if count < 1 or start < 0 or stride < row or end > len(data):
        raise GlbError(f"an accessor of {count} values reaches outside the binary chunk")
    return np.ndarray(shape, dtype, data, start, (stride, dtype.itemsize))


def _replace_sparse(
    document: Json, buffers: Sequence[bytes | None], sparse: Json, values: NDArray[Any]
) -> None:
    """Write the values that a sparse accessor lists over its rows."""
    count = int(sparse["count"])
    kind = np.dtype(DTYPES[sparse["indices"]["componentType"]]).newbyteorder("<")
    rows = _read_view(document, buffers, sparse["indices"], kind, (count, 1))[:, 0].astype(np.int64)
    if rows.min() < 0 or rows.max() >= len(values):
        raise GlbError("a sparse accessor replaces values that do not exist")
    values[rows] = _read_view(document, buffers, sparse["values"], values.dtype, (count, values.shape[1]))
