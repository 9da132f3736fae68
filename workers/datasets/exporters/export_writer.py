"""One export in progress: the clips to write, the files written, and what was left out."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip

SPLITS = ("train", "val", "test")


@dataclass
class ExportWriter:
    """Gives an exporter the kept clips, and writes files under its folder `out`."""

    dataset: Dataset
    out: Path
    files: list[Path] = field(default_factory=list)
    omissions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)

    def clips(self) -> Iterator[SceneClip]:
        """The kept clips, in order."""
        return self.dataset.clips()

    def clips_by_split(self) -> dict[str, list[SceneClip]]:
        """The kept clips of every split that has any, in the order train, val, test."""
        clips: dict[str, list[SceneClip]] = defaultdict(list)
        for clip in self.clips():
            clips[clip.row.split].append(clip)
        return {split: clips[split] for split in SPLITS if split in clips}

    def new_file(self, *parts: str) -> Path:
        """The path of a file to write under the folder of the export; it counts among the files."""
        path = self.out.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(path)
        return path

    def write(self, content: bytes | str, *parts: str) -> Path:
        """Write a file under the folder of the export."""
        path = self.new_file(*parts)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def leave_out(self, clip: SceneClip, reason: str, **details: Any) -> None:
        """Record that a clip, or a part of it, is not in the export, and why."""
        self.omissions.append({"clip": clip.id, "reason": reason, **details})
