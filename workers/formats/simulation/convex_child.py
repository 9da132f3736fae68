"""Runs V-HACD on the mesh that stdin holds, and writes the convex parts to stdout, both as NPZ.

It is run as a script and imports nothing of this project, so that it starts in a tenth of a second. Its one
argument holds V-HACD's options as JSON.
"""

import io
import json
import sys

import numpy as np
from vhacdx import compute_vhacd  # type: ignore[import-untyped]


def main() -> None:
    """Decompose one mesh."""
    with np.load(io.BytesIO(sys.stdin.buffer.read())) as mesh:
        vertices, faces = mesh["vertices"], mesh["faces"]
    # V-HACD takes faces as the number of their corners and these corners
    corners = np.column_stack([np.full(len(faces), 3), faces]).ravel().astype(np.uint32)
    parts = compute_vhacd(vertices, corners, **json.loads(sys.argv[1]))
    # vertices and faces of one part after another
    np.savez(sys.stdout.buffer, *(array for part in parts for array in part))


if __name__ == "__main__":
    main()
