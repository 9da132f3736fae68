"""What every exporter does: take its options, write the kept clips, and note what it left out."""

import json
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ObservationRow, TrackRow

EXPORT_NOTE = "maquette.json"
SPLITS = ("train", "val", "test")
EXTRA = "export"


@dataclass
class ExportWriter:
    """One export: the dataset, where it goes, the files so far, and what could not be written."""

    dataset: Dataset
    out: Path
    files: list[Path] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def clips(self) -> Iterator[SceneClip]:
        """The kept clips, in order."""
        return self.dataset.clips()

    def by_split(self) -> dict[str, list[SceneClip]]:
        """The kept clips of each split that has any."""
        found: dict[str, list[SceneClip]] = defaultdict(list)
        for clip in self.clips():
            found[clip.row.split].append(clip)
        return {split: found[split] for split in SPLITS if split in found}

    def path(self, *parts: str) -> Path:
        """A file to write under the export's folder, counted among its files."""
        path = self.out.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(path)
        return path

    def write(self, content: bytes | str, *parts: str) -> Path:
        """Write a file under the export's folder."""
        path = self.path(*parts)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def leave_out(self, clip: SceneClip, reason: str, **more: Any) -> None:
        """Note that a clip, or a part of it, is not in the export, and why."""
        self.left_out.append({"clip": clip.id, "reason": reason, **more})


@dataclass(frozen=True)
class Exporter(ABC):
    """A format: its fields are its options, `loses` says in words what it cannot hold.

    Every export has a `maquette.json`: the dataset's version, options, losses, what was left out, and the
    licences of the sources, so that a medium can be taken out of an export too.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    loses: ClassVar[tuple[str, ...]]

    def write(self, dataset: Dataset, out: Path, **options: Any) -> list[Path]:
        """Write the kept clips under `out` and give the files.

        Raises DatasetError `option_unknown`, or `extra_missing` when the format needs a library.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(options) - known):
            raise DatasetError(
                "option_unknown",
                f"{self.name} has no option {', '.join(unknown)}; known: {', '.join(sorted(known))}",
            )
        chosen = replace(self, **options)
        writer = ExportWriter(dataset, out)
        out.mkdir(parents=True, exist_ok=True)
        chosen.export(writer)
        writer.write(chosen._note(writer), EXPORT_NOTE)
        return writer.files

    @abstractmethod
    def export(self, writer: ExportWriter) -> None:
        """Write the files of the format."""

    def _note(self, writer: ExportWriter) -> str:
        clips: dict[str, list[str]] = defaultdict(list)
        for clip in writer.clips():
            clips[clip.source.source].append(clip.id)
        sources = [
            {
                "source": source.source,
                "name": source.name,
                "licence": source.licence,
                "consent": source.consent,
                "attribution": source.attribution,
                "clips": clips[source.source],
            }
            for source in writer.dataset.sources.values()
            if source.source in clips
        ]
        content = {
            "format": self.name,
            "dataset_version": writer.dataset.version,
            "options": {item.name: getattr(self, item.name) for item in fields(self)},
            "loses": list(self.loses),
            "left_out": writer.left_out,
            "sources": sources,
        }
        return to_json(content)


def to_json(content: Any) -> str:
    """JSON with one newline at the end; NaN is refused, because no other reader takes it."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def import_optional(module: str) -> Any:
    """Import a library that only some formats use; raises DatasetError `extra_missing`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise DatasetError(
            "extra_missing", f"{module} is missing: pip install 'maquette-server[{EXTRA}]'"
        ) from error


def get_category_name(track: TrackRow) -> str:
    """What a track is called in formats of categories: its phrase, else the engine's label."""
    return track.concept or track.label or "object"


def index_tracks(clip: SceneClip) -> dict[int, TrackRow]:
    """The kept tracks of a clip."""
    return {track.track: track for track in clip.tracks}


def to_xywh(row: ObservationRow) -> list[float]:
    """A box as COCO has it: left, top, width, height in pixels."""
    return [row.x0, row.y0, row.x1 - row.x0, row.y1 - row.y0]


def to_coco_rle(row: ObservationRow) -> dict[str, Any]:
    """The mask as COCO's compressed RLE."""
    return {"size": [row.mask_height, row.mask_width], "counts": row.mask_counts}
