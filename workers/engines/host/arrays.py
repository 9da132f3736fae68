"""Arrays as raw bytes with a JSON description, as messages carry them after their header."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.host.errors import ArraysGarbled

Arrays = Mapping[str, NDArray[Any]]
DTYPES = frozenset({"bool", "uint8", "int32", "int64", "float32", "float64"})


def pack(arrays: Arrays) -> tuple[list[dict[str, Any]], bytes]:
    """Descriptions (name, dtype, shape), and the bytes of all arrays in C order, one after another.

    Raises ArraysGarbled for a dtype that messages do not carry.
    """
    descriptions, parts = [], []
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES or array.dtype.byteorder == ">":
            raise ArraysGarbled(f"{name} has dtype {array.dtype}, which messages do not carry")
        descriptions.append({"name": name, "dtype": array.dtype.name, "shape": list(array.shape)})
        parts.append(array.tobytes())
    return descriptions, b"".join(parts)


def unpack(descriptions: Any, payload: bytes | bytearray) -> dict[str, NDArray[Any]]:
    """The arrays of a message, as views of its bytes; raises ArraysGarbled when the two do not match."""
    out: dict[str, NDArray[Any]] = {}
    offset = 0
    try:
        for entry in descriptions:
            name, dtype, shape = str(entry["name"]), str(entry["dtype"]), [int(n) for n in entry["shape"]]
            if dtype not in DTYPES or any(n < 0 for n in shape):
                raise ArraysGarbled(f"{name} is described as {dtype} {shape}")
            count = math.prod(shape)
            out[name] = np.frombuffer(payload, dtype=dtype, count=count, offset=offset).reshape(shape)
            offset += count * np.dtype(dtype).itemsize
    except (KeyError, TypeError, ValueError) as error:
        raise ArraysGarbled(f"arrays cannot be read: {error}") from error
    if offset != len(payload):
        raise ArraysGarbled(f"the payload has {len(payload)} bytes, the arrays need {offset}")
    return out
