"""Commands of video sessions: prompt frames, look, propagate, correct."""

from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console

from maquette.cli import options as o
from maquette.cli.printing import finish
from maquette.contract import Direction, Session

app = typer.Typer(help="Annotate a video step by step.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The session's id.")]


@app.command("open")
def open_(
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="A video file.")],
    text: o.Text = None,
    engine: o.EngineName = "auto",
    ttl: Annotated[int, typer.Option(help="Seconds that it lives after its last use.")] = 3600,
) -> None:
    """Open a session and print its id."""
    state: o.State = context.obj
    with state.client() as mq:
        opened = mq.session(video, text=text, engine=engine, ttl_seconds=ttl)
    _tell(state, opened.data)


@app.command()
def prompt(
    context: typer.Context,
    session_id: Name,
    frame: Annotated[int, typer.Option(min=0, help="The frame, from 0.")],
    box: Annotated[str | None, typer.Option(help="x0,y0,x1,y1 in pixels.")] = None,
    point: Annotated[str | None, typer.Option(help="x,y or x,y,label; several joined by ';'.")] = None,
    number: Annotated[int | None, typer.Option("--object", help="The object to mend or remove.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="The object ends on this frame.")] = False,
) -> None:
    """Start an object on a frame, or mend or remove one."""
    state: o.State = context.obj
    with state.client() as mq:
        [box_] = o.boxes([box]) if box else [None]
        [points] = o.points([point]) if point else [None]
        session = mq.resume_session(session_id)
        done = session.prompt(frame, box=box_, points=points, object=number, remove=remove)
    shown = done.preview
    if state.as_json:
        o.emit({"object": done.object, "preview": shown and shown.data.model_dump(mode="json")})
    elif shown is None:
        typer.echo(f"object {done.object} ends on frame {frame}")
    else:
        typer.echo(f"object {done.object}: {shown.area} px in {shown.box} {' '.join(shown.flags)}".rstrip())


@app.command()
def propagate(
    context: typer.Context,
    session_id: Name,
    direction: Annotated[str, typer.Option(help="forward, backward or both.")] = "forward",
    start_frame: Annotated[int | None, typer.Option(min=0)] = None,
    max_frames: Annotated[int | None, typer.Option(min=1)] = None,
    overlay: Annotated[bool, typer.Option(help="A film of the masks.")] = True,
    ytvis: Annotated[bool, typer.Option(help="YouTube-VIS JSON.")] = True,
    out: o.Out = None,
) -> None:
    """Follow all objects of the session through the video."""
    state: o.State = context.obj
    with state.client() as mq:
        job = mq.resume_session(session_id).propagate(
            direction=cast(Direction, direction),
            start_frame=start_frame,
            max_frames=max_frames,
            outputs=o.chosen(overlay=overlay, ytvis=ytvis),
        )
        finish(state, job, session_id, out)


@app.command()
def show(context: typer.Context, session_id: Name) -> None:
    """What was prompted so far."""
    state: o.State = context.obj
    with state.client() as mq:
        _tell(state, mq.resume_session(session_id).data)


@app.command()
def undo(context: typer.Context, session_id: Name, index: int = -1) -> None:
    """Take a prompt back, the last one by default."""
    state: o.State = context.obj
    with state.client() as mq:
        _tell(state, mq.resume_session(session_id).undo(index))


@app.command()
def close(context: typer.Context, session_id: Name) -> None:
    """End the session."""
    state: o.State = context.obj
    with state.client() as mq:
        mq.resume_session(session_id).close()


def _tell(state: o.State, session: Session) -> None:
    if state.as_json:
        o.emit(session.model_dump(mode="json"))
        return
    console = Console()
    console.print(f"[bold]{session.id}[/bold] {session.width}x{session.height}, {session.frames} frames")
    for index, item in enumerate(session.prompts):
        said = o.chosen(box=bool(item.box), points=bool(item.points), mask=bool(item.mask))
        kind = "remove" if item.remove else ", ".join(said)
        console.print(f"  {index}: object {item.object} on frame {item.frame}: {kind}")
