"""Small ICC profiles whose effect is known without a colour engine."""

import struct

from PIL import ImageCms


def swapped_primaries() -> bytes:
    """sRGB with red and green exchanged: (r, g, b) in this profile is (g, r, b) in sRGB."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    at = {bytes(data[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = (
        data[green + 4 : green + 12],
        data[red + 4 : red + 12],
    )
    return bytes(data)


def linear_grey() -> bytes:
    """A grey profile of gamma 1: values are proportional to light (ICC.1:2010, monochrome)."""
    curve = b"curv" + struct.pack(">II", 0, 0)
    white = b"XYZ " + struct.pack(">Iiii", 0, 63190, 65536, 54061)
    text = b"text" + struct.pack(">I", 0) + b"public domain\0\0\0"
    title = b"desc" + struct.pack(">II", 0, 5) + b"grey\0" + b"\0" * 78
    title += b"\0" * (-len(title) % 4)
    tags = [(b"desc", title), (b"cprt", text), (b"wtpt", white), (b"kTRC", curve)]
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags:
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    header += struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body
