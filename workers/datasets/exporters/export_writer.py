"""One export in progress: the clips to write, the files written, and what was left out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ClipRow

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class ClipSequence(Sequence[SceneClip]):
    """Clips that are opened when they are reached: an export holds the images of one at a time."""

    dataset: Dataset
    rows: Sequence[ClipRow]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> SceneClip: ...
    @overload
    def __getitem__(self, index: slice) -> "ClipSequence": ...

    def __getitem__(self, index: int | slice) -> "SceneClip | ClipSequence":
        if isinstance(index, slice):
            return ClipSequence(self.dataset, self.rows[index])
        return self.dataset.open_clip(self.rows[index])


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

    def clips_by_split(self) -> dict[str, ClipSequence]:
        """The kept clips of every split that has any, in the order train, val, test."""
        rows: dict[str, list[ClipRow]] = defaultdict(list)
        for row in self.dataset.clip_rows:
            if row.kept:
                rows[row.split].append(row)
        return {split: ClipSequence(self.dataset, rows[split]) for split in SPLITS if split in rows}

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
