"""One export in progress: the clips to write, the files written, and what was left out."""

import shutil
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from workers.datasets.exporters.part_store import FOLDER, NOTES, Part, PartStore, read_notes
from workers.datasets.exporters.shared.action_space import ActionSpace
from workers.datasets.exporters.shared.streamed_json import Brackets, SpooledItems, spool_items, write_json
from workers.datasets.reader import Dataset
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import ClipRow

SPLITS = ("train", "val", "test")
# parts that are built ahead of the one that is written, for each worker: more would only take memory
AHEAD = 2
# of what is made from parts before the export can be written
SCRATCH = "scratch"
# clips that are done, and all that are written
ReportCallback = Callable[[int, int], None]


def ignore_progress(done: int, total: int) -> None:
    """Report nothing."""


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
    """Gives an exporter the kept clips, and writes files under its folder `out`.

    `workers` threads build the parts of clips; those that `parts` has are not built again.
    """

    dataset: Dataset
    out: Path
    workers: int = 1
    parts: PartStore | None = None
    report: ReportCallback = ignore_progress
    # how many were written
    files: int = 0
    omissions: list[dict[str, Any]] = field(default_factory=list)
    # clips whose parts are written, and how many there will be
    _done: set[str] = field(default_factory=set)
    _count: int = field(init=False)

    def __post_init__(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        self._count = sum(row.kept for row in self.dataset.clip_rows)

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

    def build_parts(
        self, build: Callable[[SceneClip], Part], clips: Sequence[SceneClip]
    ) -> Iterator[tuple[SceneClip, Part]]:
        """What `build` makes of each clip, in order, by `workers` threads; few are in memory at once."""
        for clip, part in self._build_in_order(build, clips):
            yield clip, part
            self._done.add(clip.id)
            self.report(len(self._done), self._count)

    def _build_in_order(
        self, build: Callable[[SceneClip], Part], clips: Sequence[SceneClip]
    ) -> Iterator[tuple[SceneClip, Part]]:
        if self.workers <= 1:
            for clip in clips:
                yield clip, self._build_part(build, clip)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            waiting: deque[tuple[SceneClip, Future[Part]]] = deque()
            for clip in clips:
                waiting.append((clip, pool.submit(self._build_part, build, clip)))
                if len(waiting) >= AHEAD * self.workers:
                    first, built = waiting.popleft()
                    yield first, built.result()
            while waiting:
                first, built = waiting.popleft()
                yield first, built.result()

    def write_parts(self, build: Callable[[SceneClip], Part]) -> None:
        """Write the files that `build` makes of each clip, by their paths under the folder of the export."""
        for _ in self.merge_parts(build, self.all_clips()):
            pass

    def merge_parts(
        self, build: Callable[[SceneClip], Part], clips: Sequence[SceneClip]
    ) -> Iterator[tuple[SceneClip, Any]]:
        """Write the same files of some clips; yield each clip with the notes of its part, None without."""
        for clip, part in self.build_parts(build, clips):
            for path, content in part.items():
                if path != NOTES:
                    self.write(bytes(content), *path.split("/"))
            yield clip, read_notes(part)

    def spool(self, brackets: Brackets = "[]") -> AbstractContextManager[SpooledItems]:
        """An array or object of JSON that is on disk until it is written."""
        return spool_items(self.out, brackets)

    def write_json(self, content: Mapping[str, Any] | SpooledItems, *parts: str) -> None:
        """Write a JSON file of an object with spooled values, or of a spooled one."""
        write_json(self.new_file(*parts), content)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for the time of the export; one that a killed export left is emptied."""
        folder = self.out / FOLDER / SCRATCH
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
            # not empty where parts are kept
            with suppress(OSError):
                folder.parent.rmdir()

    def all_clips(self) -> ClipSequence:
        """The kept clips, in order."""
        return ClipSequence(self.dataset, [row for row in self.dataset.clip_rows if row.kept])

    def _build_part(self, build: Callable[[SceneClip], Part], clip: SceneClip) -> Part:
        if self.parts is None:
            return build(clip)
        kept = self.parts.get(clip.id)
        if kept is None:
            kept = build(clip)
            self.parts.put(clip.id, kept)
        return kept

    def new_file(self, *parts: str) -> Path:
        """The path of a file to write under the folder of the export; it counts among the files."""
        path = self.out.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files += 1
        return path

    def write(self, content: bytes | str, *parts: str) -> Path:
        """Write a file under the folder of the export."""
        path = self.new_file(*parts)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def leave_out(self, clip: SceneClip, reason: str, **details: Any) -> None:
        """Record that a clip, or a part of it, is not in the export, and why."""
        self.omissions.append({"clip": clip.id, "reason": reason, **details})

    def leave_out_actions(self, clip: SceneClip, space: ActionSpace | None) -> None:
        """Record that the actions of a clip are not those of the export, where that is so."""
        if space is not None and (reason := space.explain_absence(clip)) is not None:
            self.leave_out(clip, reason, what="actions")
