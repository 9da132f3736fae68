"""OpenEXR images of one channel, written without a library.

One scan line per block, no compression (https://openexr.com/en/latest/OpenEXRFileLayout.html).
"""

import struct

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 20000630, 2
HALF = 1


def write_exr(values: NDArray[np.float16], channel: str = "Z") -> bytes:
    """Half floats (H, W) as an EXR with that one channel; NaN and infinity are kept."""
    height, width = values.shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    # Pixel type, not perceptually linear, three reserved bytes, every pixel sampled.
    channels = _text(channel) + struct.pack("<iB3x2i", HALF, 0, 1, 1) + b"\0"
    header = struct.pack("<2i", MAGIC, VERSION) + b"".join(
        _text(name) + _text(kind) + struct.pack("<i", len(data)) + data
        for name, kind, data in (
            ("channels", "chlist", channels),
            ("compression", "compression", b"\0"),
            ("dataWindow", "box2i", window),
            ("displayWindow", "box2i", window),
            ("lineOrder", "lineOrder", b"\0"),
            ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
            ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
            ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        )
    )
    header += b"\0"
    lines = [
        struct.pack("<2i", row, 2 * width) + values[row].astype("<f2").tobytes() for row in range(height)
    ]
    first = len(header) + 8 * height
    offsets = struct.pack(f"<{height}Q", *(first + row * (8 + 2 * width) for row in range(height)))
    return header + offsets + b"".join(lines)


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
