"""Runs a convert job."""

from maquette.contract import AssetFormat, ConvertJob, ConvertResult, Manifest

from workers.errors import JobProblem
from workers.formats.convert import ConvertError, FormatMismatch, load_asset, write_asset
from workers.formats.losses import Losses, name_flags
from workers.formats.registry import MESH_WRITERS, SPLAT_WRITERS, check_installed
from workers.jobs.context import JobContext

# Converted files are named splat.* or mesh.*, so this one needs no second "splat".
EXTENSIONS = {"khr_glb": "khr.glb"}


def run(context: JobContext, request: ConvertJob) -> Manifest:
    """Read the asset once and write each requested format; what is left out is counted and flagged."""
    data = context.media.load_asset(request.asset)
    files: dict[AssetFormat, str] = {}
    dropped: dict[AssetFormat, Losses] = {}
    try:
        loaded = load_asset(data)
        writers = SPLAT_WRITERS if loaded.kind == "splat" else MESH_WRITERS
        check_installed(writers[name] for name in request.formats if name in writers)
        for number, wanted in enumerate(dict.fromkeys(request.formats)):
            context.progress("convert", number, len(request.formats), wanted)
            converted = write_asset(loaded, wanted, y_down=request.y_down)
            writer = writers[wanted]
            name = f"{loaded.kind}.{EXTENSIONS.get(wanted, writer.extension)}"
            files[wanted] = context.save(name, writer.role, writer.media_type, converted.data).name
            dropped[wanted] = +converted.losses
            for side_name, (media_type, side_data) in converted.side_files.items():
                context.save(side_name, "texture", media_type, side_data)
    except ImportError as error:
        raise JobProblem("extra_missing", str(error)) from None
    except FormatMismatch as error:
        raise JobProblem("format_unfit", str(error)) from error
    except ConvertError as error:
        raise JobProblem("asset_unreadable", f"{error}: send a file that its own viewer opens") from error
    result = ConvertResult(
        asset=loaded.kind,
        source=loaded.source,
        files=files,
        dropped={name: dict(losses) for name, losses in dropped.items() if losses},
    )
    every = sum(dropped.values(), Losses())
    return context.build_manifest(
        result, parameters={"y_down": request.y_down}, seed=request.seed, flags=name_flags(every)
    )
