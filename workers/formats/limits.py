"""What readers accept at most, so that a header cannot ask for more memory than a real object needs."""

MAX_GAUSSIANS = 5_000_000
# Decoded meshes take a small multiple of the size of their file.
MAX_MESH_BYTES = 256 << 20
# A decoded mesh may take 8 MiB and 8 times the bytes of its file: a strip with 16-bit indices grows 4.5-fold,
# and a scene may show one mesh several times. Beyond, a small file asks for a lot of memory.
DECODED_SLACK = 8 << 20
DECODED_PER_BYTE = 8
MAX_DECODED_BYTES = 512 << 20


def limit_decoded_bytes(file_bytes: int) -> int:
    """Bytes that the decoded mesh of a file of that size may take."""
    return min(DECODED_SLACK + DECODED_PER_BYTE * file_bytes, MAX_DECODED_BYTES)
