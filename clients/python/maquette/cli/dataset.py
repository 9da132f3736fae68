"""`maquette dataset`: make one, and look after those that were made."""

import json
import tempfile
from collections.abc import Callable, Collection, Iterable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from maquette.cli import options as o
from maquette.cli.printing import finish
from maquette.contract.datasets import SourceInfo
from maquette.cost_estimate import TRIAL_CLIPS, choose_trial_videos, estimate_cost
from maquette.errors import MaquetteError
from maquette.sources.avi import pack_frames
from maquette.sources.buckets import BucketVideo, find_bucket_videos, is_bucket
from maquette.sources.folders import FrameFolder, find_videos

GROUP = "maquette.datasets"
HELPERS = ("verify", "diff", "append", "export", "import-movi")
Words = Annotated[str | None, typer.Option(help="Told of every video that has none of its own.")]


class _Group(TyperGroup):
    """What is no subcommand is a folder to make a dataset of."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, no_args_is_help=True, help="Datasets of clips and tracks from videos.")


def register(root: typer.Typer) -> None:
    """Add the group; commands over folders need the server's code, and are there when it is installed."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    for name in HELPERS:
        if name in points:
            app.command(name)(points[name].load())
        else:
            app.command(name, context_settings={"ignore_unknown_options": True})(_missing(name))
    root.add_typer(app, name="dataset")


@app.command()
def make(
    context: typer.Context,
    videos: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of them or of frames, globs, https, s3:// and the like, @list."),
    ],
    text: Annotated[list[str], typer.Option("--text", "-t", help="A phrase; may be repeated.")],
    threshold: o.Threshold = None,
    clip_seconds: Annotated[float, typer.Option(help="Longest clip.")] = 5.0,
    min_clip_seconds: Annotated[float, typer.Option(help="Shortest clip.")] = 3.0,
    trim_seconds: Annotated[float, typer.Option(help="Left out on each side of a cut.")] = 0.3,
    size: Annotated[int, typer.Option(help="Longest side of the stored frames in pixels.")] = 256,
    frame_rate: Annotated[float | None, typer.Option(help="Keep about so many frames a second.")] = None,
    numbered_rate: Annotated[
        float, typer.Option(help="Frames a second of folders of numbered frames.")
    ] = 10.0,
    assets: Annotated[int, typer.Option(help="How many objects to lift to 3D.")] = 0,
    captioner: Annotated[str | None, typer.Option(help="A caption engine of the worker.")] = None,
    inverse_dynamics: Annotated[
        str | None, typer.Option(help="An inverse-dynamics model of the worker.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Begin no new clip after so many seconds of workers.")
    ] = None,
    max_gpu_seconds: Annotated[
        float | None, typer.Option(help="The same for workers with a GPU alone.")
    ] = None,
    max_dollars: Annotated[
        float | None, typer.Option(help="The same in dollars, at the operator's prices.")
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Workers read buckets themselves; nothing of them comes here.")
    ] = False,
    publish: Annotated[
        str | None, typer.Option(help="Address in a bucket that workers write the dataset to.")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="JSON: name of a video to its licence, consent, camera, depth, ...")
    ] = None,
    depth: Annotated[
        Path | None,
        typer.Option(
            help="Depth of the one video: numbered 16-bit PNG or TIFF files, .npy or .npz (T, H, W)."
        ),
    ] = None,
    licence: Words = None,
    consent: Words = None,
    session: Words = None,
    camera: o.CameraOption = None,
    formats: Annotated[str | None, typer.Option("--format", "-f", help="Formats to export to.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Probe a few clips and tell what all will take.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Workers to plan with.")] = 1,
    price: Annotated[
        float | None, typer.Option(help="Price of an hour of any worker, to plan with; else the operator's.")
    ] = None,
    seed: o.Seed = 0,
    engine: o.EngineName = "auto",
    out: o.Out = None,
) -> None:
    """One dataset of clips and tracks from all videos together."""
    state: o.State = context.obj
    helper = None
    if formats:
        if out is None:
            raise typer.BadParameter("--format needs --out, a folder to write to")
        _helper("check_formats")(formats)
        helper = _helper("write_formats")
    told = {"licence": licence, "consent": consent, "session": session, "camera": o.camera(camera)}
    own = _own(sources)
    with tempfile.TemporaryDirectory() as scratch, state.client() as mq:
        given = _addresses(videos)
        # a plan needs sizes, so it looks into the buckets from here
        away = [item for item in given if remote and not plan and is_bucket(item)]
        apart = {Path(one).resolve() for one in [depth, *map(_depth_of, own.values())] if one is not None}
        found = _media([item for item in given if item not in away], numbered_rate, Path(scratch), apart)
        options: dict[str, Any] = {
            "threshold": threshold,
            "clip_seconds": clip_seconds,
            "min_clip_seconds": min_clip_seconds,
            "trim_seconds": trim_seconds,
            "size": size,
            "frame_rate": frame_rate,
            "assets": assets,
            "captioner": captioner,
            "inverse_dynamics": inverse_dynamics,
            "seed": seed,
            "engine": engine,
        }
        infos = {medium: _info(name, numbered, told, own) for medium, name, numbered in found}
        if depth is not None:
            if len(infos) != 1 or away:
                raise typer.BadParameter("--depth is of one video; --sources tells that of several")
            next(iter(infos.values()))["depth"] = depth
        if plan:
            _plan(state, mq, infos, numbered_rate, text, options, workers, price)
            return
        media = _sent(mq, infos, numbered_rate)
        general = {key: value for key, value in told.items() if value is not None}
        job = mq.dataset(
            media,
            text,
            sources=list(infos.values()),
            buckets=[{"address": item, "source": general, "frame_rate": numbered_rate} for item in away],
            publish=publish,
            max_seconds=max_seconds,
            max_gpu_seconds=max_gpu_seconds,
            max_dollars=max_dollars,
            **options,
        )
        finish(state, job, "dataset", out)
    if helper is not None:
        helper(out, formats, out)


@app.command()
def inspect(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="Folder of a dataset.")]
) -> None:
    """What a dataset holds and how it was made."""
    content = _manifest(folder)
    state: o.State = context.obj
    if state.as_json:
        o.emit(content)
        return
    console = Console()
    console.print(f"schema {content['schema_version']}, policy {content['policy']}", highlight=False)
    for engine in content["engines"]:
        console.print(f"{engine['kind']}: {engine['name']} {engine['version']}", highlight=False)
    for parent in content["parents"]:
        console.print(f"parent {parent}", highlight=False)
    totals = Table("what", "count")
    for name, value in content["totals"].items():
        totals.add_row(name, f"{value:,.10g}")
    console.print(totals)
    files = Table("table", "files", "rows", "bytes")
    for name, items in content["tables"].items():
        rows = sum(item.get("rows", 0) for item in items)
        files.add_row(name, str(len(items)), f"{rows:,}", f"{sum(item['bytes'] for item in items):,}")
    console.print(files)
    if content["rejected"]:
        gates = Table("gate", "rejected")
        for name, count in content["rejected"].items():
            gates.add_row(name, str(count))
        console.print(gates)


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="Folder of a dataset.")],
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8710,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Show the report and hand out the files over HTTP, read only, until Ctrl-C."""
    _manifest(folder)
    with ThreadingHTTPServer((host, port), partial(_Files, directory=str(folder))) as server:
        address = f"http://{host}:{server.server_port}/"
        Console().print(f"{address} (Ctrl-C ends)", highlight=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class _Files(SimpleHTTPRequestHandler):
    """The files of one folder; the report is its first page."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.path = "/report.html"
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        return


def _addresses(given: list[str]) -> list[str]:
    """What was given, with the lines of lists in place of them."""
    return [
        line.strip()
        for item in given
        for line in (Path(item[1:]).read_text().splitlines() if item.startswith("@") else [item])
        if line.strip()
    ]


def _own(sources: Path | None) -> dict[str, dict[str, Any]]:
    """What is told of each video; where depth lies is told from the place of the file that tells it."""
    if sources is None:
        return {}
    own: dict[str, dict[str, Any]] = json.loads(sources.read_text())
    for info in own.values():
        path = _depth_of(info)
        if path is None:
            continue
        depth = info["depth"] if isinstance(info["depth"], dict) else {}
        info["depth"] = {**depth, "media": str(sources.parent / path)}
    return own


def _depth_of(info: dict[str, Any]) -> str | None:
    """The path of a video's depth, where it is none that was uploaded."""
    depth = info.get("depth")
    path = depth.get("media") if isinstance(depth, dict) else depth
    return path if isinstance(path, str) else None


def _media(
    listed: list[str], rate: float, scratch: Path, apart: Collection[Path]
) -> list[tuple[Any, str, bool]]:
    """Media with their names, and whether their frames came numbered; folders of depth stay apart."""
    found: list[tuple[Any, str, bool]] = []
    for address in filter(is_bucket, listed):
        found += [(video, video.name, video.is_frame_folder) for video in find_bucket_videos(address)]
    for source in o.sources([item for item in listed if not is_bucket(item)]):
        if not isinstance(source, Path):
            found.append((source, str(source).rsplit("/", 1)[-1], False))
            continue
        for item in find_videos(source):
            if isinstance(item, FrameFolder) and item.path.resolve() in apart:
                continue
            if isinstance(item, FrameFolder):
                packed = pack_frames(item, rate, scratch / f"{len(found):06d}.avi")
                found.append((packed, item.path.resolve().name, True))
            else:
                found.append((item, item.name, False))
    return found


def _sent(mq: Any, media: Iterable[Any], rate: float) -> list[Any]:
    """Media that the client takes; what lies in a bucket is fetched and uploaded one after the other."""
    sent = []
    for medium in media:
        if isinstance(medium, BucketVideo):
            with tempfile.TemporaryDirectory() as scratch:
                medium = mq.upload(medium.fetch(Path(scratch), rate))
        sent.append(medium)
    return sent


def _info(name: str, numbered: bool, told: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    general = {key: value for key, value in told.items() if value is not None}
    mine = dict(own.get(name, own.get(Path(name).stem, {})))
    depth = mine.pop("depth", None)
    known = SourceInfo.model_validate({"name": name, "time_assumed": numbered, **general, **mine})
    return {**known.model_dump(exclude_unset=True), **({} if depth is None else {"depth": depth})}


def _plan(
    state: o.State,
    mq: Any,
    infos: dict[Any, dict[str, Any]],
    rate: float,
    text: list[str],
    options: dict[str, Any],
    workers: int,
    price: float | None,
) -> None:
    sizes = {
        item: item.stat().st_size if isinstance(item, Path) else item.bytes
        for item in infos
        if isinstance(item, Path | BucketVideo)
    }
    files = list(sizes)
    if not files:
        raise typer.BadParameter("--plan needs files: how large videos at addresses are is not known")
    few = choose_trial_videos(files)
    job = mq.dataset(
        _sent(mq, few, rate),
        text,
        sources=[infos[file] for file in few],
        max_clips=TRIAL_CLIPS,
        **options,
    )
    result = job.wait(progress=not state.as_json)
    artefact = next(item for item in result.artefacts if item.name == "timing.json")
    found = estimate_cost(
        json.loads(mq.read(artefact)), sum(sizes[file] for file in few), sum(sizes.values())
    )
    cost = found.cost(price)
    told = {
        "videos": len(files),
        "video_hours": found.video_hours,
        "clip_hours": found.kept_hours,
        "worker_hours": found.worker_hours,
        "wall_hours": found.wall_hours(workers),
        "bytes": found.bytes,
        "gpu_hours": found.gpu_hours,
        "cost": cost,
        "probe": {"videos": len(few), "job": job.id},
        "hours_by_stage": found.hours_by_stage,
    }
    if state.as_json:
        o.emit(told)
        return
    table = Table("expected", "")
    table.add_row("video", f"{_long(found.video_hours)} in {len(files)} files")
    table.add_row("clips that pass the cheap gates", _long(found.kept_hours))
    table.add_row(f"wall time with {workers} worker(s)", _long(found.wall_hours(workers)))
    table.add_row("shards", f"{found.bytes / 1e9:.3f} GB")
    unknown = "unknown: give --price, or let the operator set MAQUETTE_PRICE_CPU_HOUR and _GPU_HOUR"
    table.add_row("cost", unknown if cost is None else f"{cost:.2f}")
    for stage, hours in sorted(found.hours_by_stage.items(), key=lambda item: -item[1]):
        if hours > 0.001 * found.worker_hours:
            table.add_row(f"  {stage}", f"{_long(hours)} of workers")
    console = Console()
    console.print(table)
    console.print(f"from a probe of {len(few)} video(s): videos unlike them will take another time")


def _long(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 2 else f"{hours * 60:.1f} minutes"


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no dataset.json: it is no dataset")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _helper(name: str) -> Callable[..., Any]:
    """A function of the server's code; raises MaquetteError where it is not installed."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            found: Callable[..., Any] = point.load()
            return found
    raise MaquetteError(f"{name!r} needs the package maquette-server beside this one")


def _missing(name: str) -> Callable[..., None]:
    def command(
        arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    ) -> None:
        _helper(name)

    command.__doc__ = "Needs the package maquette-server."
    return command
