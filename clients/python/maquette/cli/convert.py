"""The command that converts splats and meshes."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from maquette.cli import options as o
from maquette.contract import AssetFormat


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(convert)


def convert(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A splat or a mesh.")],
    targets: Annotated[list[Path], typer.Argument(help="Files to write; their endings say what.")],
    y_down: Annotated[
        bool, typer.Option("--y-down", help="PLY and SOG splats hold 3DGS's axes: y down, z forward.")
    ] = False,
) -> None:
    """Convert splats (PLY, SPZ, SOG, .khr.glb) and meshes (GLB, OBJ, PLY) by the service."""
    state: o.State = context.obj
    wanted = {_format(target): target for target in targets}
    with state.client() as mq:
        result = mq.convert(source, list(wanted), y_down=y_down).wait(progress=not state.as_json)
        stored = {artefact.name: artefact for artefact in result.artefacts}
        for name, target in wanted.items():
            target.write_bytes(mq.read(stored[result.data.files[name]]))
    if state.as_json:
        o.emit(result.data.model_dump(mode="json"))
    else:
        typer.echo(f"{result.data.asset} ({result.data.source}): {', '.join(map(str, targets))}")


def _format(target: Path) -> AssetFormat:
    name = target.name.lower()
    ending = "khr_glb" if name.endswith(".khr.glb") else target.suffix.lower().lstrip(".")
    if ending not in get_args(AssetFormat):
        raise typer.BadParameter(f"{target}: a file ends with .ply, .spz, .sog, .glb, .khr.glb or .obj")
    return cast(AssetFormat, ending)
