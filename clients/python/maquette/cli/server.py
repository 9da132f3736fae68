"""`maquette engines` and `maquette up`."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from maquette.cli.context import get_context, print_json
from maquette.console import PlainConsole
from maquette.contract import Engine, Quota
from maquette.settings import DEFAULT_PORT


def engines(context: typer.Context) -> None:
    """List the engines of the service, and why some cannot run."""
    cli = get_context(context)
    with cli.client() as mq:
        known = mq.engines()
    if cli.as_json:
        print_json([engine.model_dump(mode="json") for engine in known])
        return
    table = Table("engine", "kind", "runs", "vocabulary", "notes")
    for engine in known:
        vocabulary = "open" if engine.vocabulary is None else f"{len(engine.vocabulary)} words"
        table.add_row(
            engine.name,
            engine.kind,
            "yes" if engine.available else "no",
            vocabulary if engine.available and engine.kind == "concepts" else "",
            engine.why_not or "; ".join([*_list_missing(engine), *engine.limits, *_list_settings(engine)]),
        )
    PlainConsole().print(table)


def _list_missing(engine: Engine) -> list[str]:
    return [f"no {name.replace('_', ' ')}: {command}" for name, command in engine.missing.items()]


def _list_settings(engine: Engine) -> list[str]:
    """One note of how the engine computes; none where nothing can be chosen."""
    settings = [f"{name} {value}" for name, value in engine.settings.items()]
    return [f"runs with {', '.join(settings)}"] if settings else []


def usage(context: typer.Context) -> None:
    """Show what your tenant uses and may use."""
    cli = get_context(context)
    with cli.client() as mq:
        known = mq.usage()
    if cli.as_json:
        print_json(known.model_dump(mode="json"))
        return
    table = Table("", "used", "limit")
    for name in ("stored_bytes", "queued_jobs", "running_jobs"):
        quota: Quota = getattr(known, name)
        table.add_row(name.replace("_", " "), f"{quota.used:,}", _format_limit(quota.limit))
    table.add_row("requests per second", "", _format_limit(known.requests_per_second))
    for name, limit in known.job.model_dump().items():
        table.add_row(f"{name} per job", "", _format_limit(limit))
    for name, days in known.kept_days.model_dump().items():
        table.add_row(f"days that {name} are kept", "", "until deleted" if days is None else f"{days:g}")
    PlainConsole().print(table)


def _format_limit(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:,.0f}"


def up(
    port: Annotated[int, typer.Option(help="Port of the gateway.")] = DEFAULT_PORT,
    data: Annotated[Path, typer.Option(help="Folder for the ledger and the artefacts.")] = Path(".maquette"),
    broker: Annotated[
        str | None, typer.Option(help="URL of a running Redis or Valkey; else one is started.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of workers; a dataset job uses all.")] = 1,
) -> None:
    """Run the embedded stack until Ctrl-C (needs maquette-server)."""
    launchers = [point for point in entry_points(group="maquette.launchers") if point.name == "embedded"]
    if not launchers:
        raise typer.BadParameter("the server is not installed here: see the README of the repository")
    launchers[0].load()(port, data, broker, typer.echo, workers)
