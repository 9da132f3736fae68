"""Which files an upload takes for splats and meshes."""

from pathlib import Path

import pytest

from media import assets

QUAD = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.mark.parametrize(
    ("data", "codec"),
    [
        (QUAD, "obj"),
        (b"\xef\xbb\xbf" + QUAD, "obj"),
        (QUAD.replace(b"\n", b"\r\n"), "obj"),
        (QUAD.replace(b"\n", b"\r"), "obj"),
        (b"#" + b"x" * 200_000 + b"\r\n" + QUAD, "obj"),
        (b"# made by hand\n" * 20_000 + b"\n \n" + QUAD, "obj"),
        (b"\xef\xbb\xbf#" + b"x" * assets.HEAD + b"\n  " + QUAD, "obj"),
        (b"mtllib a.mtl\no thing\n" + QUAD, "obj"),
        (b"o thing\n#" + b"x" * 3_000_000 + b"\n" + QUAD, "obj"),
        (b"mtllib a.mtl\n" + b"# made by hand\r\n" * 20_000 + b"o thing\n" + QUAD, "obj"),
        (b"o thing\n" + b"# v 1 2 3\n" * 20_000, None),
        (b"ply\nformat ascii 1.0\n", "ply"),
        (b"ply\r\nformat ascii 1.0\r\n", "ply"),
        (b"ply \rformat ascii 1.0\r", "ply"),
        (b"plywood", None),
        (b"", None),
        (b"#", None),
        (b"#" * 200_000, None),
        (b"# only words\n" * 20_000, None),
        (b"# v 1 2 3\nnothing else\n", None),
        (QUAD[:8] + b"\0" + QUAD, None),
        (b"#" + b"x" * 70_000 + b"\n\0" + QUAD, None),
        (b"have v 1 2 3\n", None),
    ],
)
def test_codecs(tmp_path: Path, data: bytes, codec: str | None) -> None:
    (tmp_path / "file").write_bytes(data)
    probe = assets.probe(str(tmp_path / "file"))
    assert (probe and probe["codec"]) == codec
