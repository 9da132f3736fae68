"""`maquette-convert`: splats and meshes from one file format to another, without a server."""

from pathlib import Path
from typing import Annotated

import typer

from workers.formats.convert import (
    MESH_FORMATS,
    SPLAT_FORMATS,
    ConvertError,
    Kind,
    convert_mesh,
    convert_splat,
    detect,
)

MAX_BYTES = 1 << 30


def convert(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A splat or a mesh.")],
    target: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write; its ending says what.")],
    to: Annotated[
        str | None, typer.Option(help="Format instead of the ending's: ply, spz, sog, khr_glb, glb, obj.")
    ] = None,
    y_down: Annotated[
        bool, typer.Option("--y-down", help="PLY and SOG splats hold 3DGS's axes: y down, z forward.")
    ] = False,
) -> None:
    """Convert splats (PLY, SPZ, SOG, GLB) and meshes (GLB, OBJ, PLY); the bytes say what the source is."""
    if source.stat().st_size > MAX_BYTES:
        raise typer.BadParameter(f"{source} is larger than {MAX_BYTES} bytes")
    data = source.read_bytes()
    try:
        kind, _ = detect(data)
        target.write_bytes(_converted(data, kind, to or target.suffix.lstrip(".").lower(), y_down))
    except ConvertError as error:
        typer.echo(f"{source}: {error}", err=True)
        raise typer.Exit(1) from error


def _converted(data: bytes, kind: Kind, name: str, y_down: bool) -> bytes:
    if kind == "splat":
        # a splat has one kind of GLB
        wanted = "khr_glb" if name == "glb" else name
        for splat_format in SPLAT_FORMATS:
            if splat_format == wanted:
                return convert_splat(data, None, splat_format, y_down=y_down)
    for mesh_format in MESH_FORMATS:
        if kind == "mesh" and mesh_format == name:
            return convert_mesh(data, None, mesh_format)
    known = SPLAT_FORMATS if kind == "splat" else MESH_FORMATS
    raise typer.BadParameter(f"a {kind} becomes one of {', '.join(known)}, not {name!r}")


def main() -> None:
    """The console script."""
    typer.run(convert)


if __name__ == "__main__":
    main()
