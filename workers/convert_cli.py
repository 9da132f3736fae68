"""`maquette-convert`: splats and meshes from one file format to another, without a server."""

from pathlib import Path
from typing import Annotated

import typer
from maquette.cli.lazy_group import plain_typer
from maquette.plain_text import print_line

MAX_BYTES = 1 << 30


def convert(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A splat or a mesh.")],
    target: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write, by its extension.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="The format, if not that of the extension: "
            "ply, spz, sog, khr_glb, splat, ksplat, html, glb, obj, stl, usdz."
        ),
    ] = None,
    y_down: Annotated[
        bool, typer.Option("--y-down", help="PLY and SOG splats have the axes of 3DGS: y down, z forward.")
    ] = False,
) -> None:
    """Convert splats (PLY, SPZ, SOG, GLB) and meshes (GLB, OBJ, PLY).

    The format of the source is detected from its content. Splats are also written as .splat and .ksplat,
    meshes as STL and USDZ, and both as .html: a page that shows them in a browser, without internet.
    """
    # formats take a second to import, and help does without them
    from workers.formats.convert import ConvertError, FormatMismatch, load_asset, write_asset

    if source.stat().st_size > MAX_BYTES:
        raise typer.BadParameter(f"{source} is larger than {MAX_BYTES} bytes")
    data = source.read_bytes()
    name = to or target.suffix.lstrip(".").lower()
    try:
        loaded = load_asset(data)
        # The only GLB of a splat is the one with KHR_gaussian_splatting.
        wanted = "khr_glb" if (loaded.kind, name) == ("splat", "glb") else name
        converted = write_asset(loaded, wanted, y_down=y_down)
        target.write_bytes(converted.data)
        for side_name, (_, side_data) in converted.side_files.items():
            (target.parent / side_name).write_bytes(side_data)
    except FormatMismatch as error:
        raise typer.BadParameter(str(error)) from error
    except ConvertError as error:
        print_line(f"{source}: {error}", stderr=True)
        raise typer.Exit(1) from error
    if losses := +converted.losses:
        counts = ", ".join(f"{part.replace('_', ' ')}: {count}" for part, count in losses.items())
        print_line(f"{target} leaves out {counts}", stderr=True)


def main() -> None:
    """The console script."""
    app = plain_typer(add_completion=False)
    app.command()(convert)
    app()


if __name__ == "__main__":
    main()
