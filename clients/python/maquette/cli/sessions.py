"""`maquette session`: prompt frames of a video, preview masks, propagate, correct."""

from pathlib import Path
from typing import Annotated

import typer

from maquette.cli import options as o
from maquette.cli import parsing
from maquette.cli.context import CliContext, get_context, print_json
from maquette.cli.job_watch import JobWatch
from maquette.cli.lazy_group import plain_typer
from maquette.cli.output import check_output, finish_job
from maquette.console import PlainConsole, styled
from maquette.contract import Direction, OpenSession, Propagate, Session, VideoPrompt
from maquette.contract.defaults import PROPAGATION, SESSION
from maquette.plain_text import print_line

app = plain_typer(help="Annotate a video step by step.", no_args_is_help=True)
SessionIdArgument = Annotated[str, typer.Argument(help="Id of the session.")]


@app.command("open")
def open_session(
    context: typer.Context,
    video: Annotated[Path, typer.Argument(help="A video file.")],
    text: o.Text = None,
    engine: o.EngineName = SESSION.engine,
    ttl: Annotated[int, o.field_option(OpenSession, "ttl_seconds", "--ttl")] = SESSION.ttl_seconds,
) -> None:
    """Open a session and print its id."""
    cli = get_context(context)
    with cli.client() as mq:
        session = mq.session(video, text=text, engine=engine, ttl_seconds=ttl)
    _print_session(cli, session.data)


@app.command()
def prompt(
    context: typer.Context,
    session_id: SessionIdArgument,
    frame: Annotated[int, o.field_option(VideoPrompt, "frame")],
    box: Annotated[str | None, typer.Option(help="A box x0,y0,x1,y1 in pixels.")] = None,
    point: Annotated[str | None, typer.Option(help="Points x,y or x,y,label, joined by ';'.")] = None,
    number: Annotated[
        int | None, typer.Option("--object", help="Id of the object to correct or remove.")
    ] = None,
    remove: Annotated[bool, o.field_option(VideoPrompt, "remove", "--remove")] = False,
) -> None:
    """Start an object on a frame, or correct or remove one."""
    cli = get_context(context)
    with cli.client() as mq:
        boxes, objects = (
            parsing.parse_boxes([box] if box else []),
            parsing.parse_points([point] if point else []),
        )
        result = mq.resume_session(session_id).prompt(
            frame,
            box=boxes[0] if boxes else None,
            points=objects[0] if objects else None,
            object=number,
            remove=remove,
        )
    preview = result.preview
    if cli.as_json:
        print_json({"object": result.object, "preview": preview and preview.data.model_dump(mode="json")})
    elif preview is None:
        what = "ends" if remove else "is corrected, as the next propagation will show,"
        print_line(f"object {result.object} {what} on frame {frame}")
    else:
        flags = " ".join(preview.flags)
        print_line(f"object {result.object}: {preview.area} px in {preview.box} {flags}".rstrip())


@app.command()
def propagate(
    context: typer.Context,
    session_id: SessionIdArgument,
    direction: Annotated[Direction, o.field_option(Propagate, "direction")] = PROPAGATION.direction,
    start_frame: Annotated[int | None, o.field_option(Propagate, "start_frame")] = None,
    max_frames: Annotated[int | None, o.field_option(Propagate, "max_frames")] = None,
    overlay: Annotated[bool, typer.Option(help="Write a video with the masks drawn over it.")] = True,
    ytvis: Annotated[bool, typer.Option(help="Write YouTube-VIS JSON.")] = True,
    out: o.Out = None,
    overwrite: o.Overwrite = False,
    cancel_on_interrupt: o.CancelOnInterrupt = False,
) -> None:
    """Track all objects of the session through the video."""
    cli = get_context(context)
    if out is not None:
        check_output(cli, out)
    with cli.client() as mq, JobWatch(cli) as watch:
        job = mq.resume_session(session_id).propagate(
            direction=direction,
            start_frame=start_frame,
            max_frames=max_frames,
            outputs=parsing.list_enabled({"overlay": overlay, "ytvis": ytvis}),
        )
        finish_job(cli, watch.add(job, session_id), session_id, out)


@app.command()
def show(context: typer.Context, session_id: SessionIdArgument) -> None:
    """Show the prompts of a session."""
    cli = get_context(context)
    with cli.client() as mq:
        _print_session(cli, mq.resume_session(session_id).data)


@app.command()
def undo(
    context: typer.Context,
    session_id: SessionIdArgument,
    index: Annotated[int, typer.Option(help="Index of the prompt as `show` lists it; -1 is the last.")] = -1,
) -> None:
    """Remove a prompt, the last one by default."""
    cli = get_context(context)
    with cli.client() as mq:
        _print_session(cli, mq.resume_session(session_id).undo(index))


@app.command()
def close(context: typer.Context, session_id: SessionIdArgument) -> None:
    """End a session; results stay."""
    with get_context(context).client() as mq:
        mq.resume_session(session_id).close()


def _print_session(cli: CliContext, session: Session) -> None:
    if cli.as_json:
        print_json(session.model_dump(mode="json"))
        return
    console = PlainConsole()
    console.print(styled(session.id, "bold"), f"{session.width}x{session.height}, {session.frames} frames")
    for index, item in enumerate(session.prompts):
        parts = parsing.list_enabled(
            {"box": bool(item.box), "points": bool(item.points), "mask": bool(item.mask)}
        )
        kind = "remove" if item.remove else ", ".join(parts)
        console.print(f"  {index}: object {item.object} on frame {item.frame}: {kind}")
