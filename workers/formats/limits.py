"""What readers accept at most, so that a header cannot ask for more memory than a real object needs."""

MAX_GAUSSIANS = 5_000_000
# Decoded meshes take a small multiple of the size of their file.
MAX_MESH_BYTES = 256 << 20
