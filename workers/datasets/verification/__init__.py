"""Whether a dataset folder matches its manifest, and whether its rows agree with each other."""

from collections.abc import Callable
from pathlib import Path

from workers.datasets.errors import DatasetError
from workers.datasets.reader import Dataset
from workers.datasets.verification.clips import check_clip
from workers.datasets.verification.files import check_file, check_signature, check_tables, check_unlisted
from workers.datasets.verification.splits import check_splits
from workers.datasets.verification.violation import Violation

__all__ = ["Violation", "verify"]


def verify(
    folder: Path,
    *,
    key: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Violation]:
    """Everything that is wrong with a dataset; an empty list when it is sound.

    `key` also checks the signature. `on_progress` is called with the number of clips done and their total.

    Codes: file_missing, file_changed, file_unlisted, rows_missing, key_twice, reference_broken,
    frame_missing, times_broken, grid_broken, picture_broken, mask_outside_box, mask_broken,
    box_outside_frame, pose_broken, decision_contradicted, change_contradicted, split_leak, unsigned.

    Raises DatasetError when there is no readable manifest.
    """
    data = Dataset(folder)
    violations = list(check_signature(folder, key))
    for entry in data.manifest.all_files():
        violations += check_file(folder, entry)
    if any(item.code.startswith("file_") for item in violations):
        # the rows of a changed file would only repeat what is known
        return violations
    violations += check_unlisted(data)
    violations += check_tables(data)
    orphans = [row for row in data.clip_rows if row.source not in data.sources]
    if orphans:
        return violations + [
            Violation("reference_broken", row.clip, f"no source {row.source[:12]}") for row in orphans
        ]
    violations += check_splits(data)
    clips = list(data.clips(rejected=True))
    for done, clip in enumerate(clips):
        on_progress(done, len(clips))
        try:
            violations += check_clip(data, clip)
        except DatasetError as error:
            violations.append(Violation(error.code, clip.id, error.detail))
    return violations
