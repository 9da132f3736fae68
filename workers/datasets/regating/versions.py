"""Writes the version of a dataset that other bounds give, from its scores and masks alone."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from maquette.contract.datasets import Review

from workers.datasets import parquet
from workers.datasets.documents import render_documents
from workers.datasets.errors import DatasetError
from workers.datasets.gates.exclusions import exclude_clips
from workers.datasets.gates.policy import Bound, GatePolicy
from workers.datasets.manifest import DatasetManifest, FileEntry, describe_file
from workers.datasets.publishing.folders import publish_folder
from workers.datasets.reader import Dataset
from workers.datasets.regating.clips import KeepsTrack, RegatedClip, list_kept_tracks, regate_clip
from workers.datasets.regating.decisions import ClipPolicy, list_failed
from workers.datasets.regating.reviews import ClipReviews, decide_by_hand, index_reviews
from workers.datasets.scene_clip import SceneClip
from workers.datasets.schema import REVIEW_GATE, TABLES
from workers.datasets.spooled_rows import SpooledRows, spool_files, spool_table
from workers.datasets.summary import build_funnel, compute_totals, count_rejected
from workers.datasets.version import DatasetVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackChange:
    """A track that came in or went; `gates` are those that it failed before, or that it fails now."""

    clip: str
    track: int
    label: str | None
    gates: tuple[str, ...]


@dataclass(slots=True)
class Changes:
    """What came and went.

    `clips_removed` are clips with the gates that they fail now. `clips_unavailable` would pass and have no
    frames, `tracks_unavailable` would pass and have no masks: they need a new run over the videos.
    """

    tracks_added: list[TrackChange] = field(default_factory=list)
    tracks_removed: list[TrackChange] = field(default_factory=list)
    clips_removed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    clips_unavailable: list[str] = field(default_factory=list)
    tracks_unavailable: list[TrackChange] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For a result or a file."""
        return asdict(self)


@dataclass
class _Writer:
    """The rows of the new version, in temporary files, and its new files, in `folder`."""

    data: Dataset
    folder: Path
    rows: dict[str, SpooledRows[Any]] = field(
        default_factory=lambda: {
            name: spool_table(table.row) for name, table in TABLES.items() if not table.per_clip
        }
    )
    tables: dict[str, SpooledRows[FileEntry]] = field(
        default_factory=lambda: {name: spool_files() for name in TABLES}
    )
    assets: set[str] = field(default_factory=set)

    def add_rejected(self, clip: SceneClip, decisions: Sequence[Any]) -> None:
        """A clip that is not kept has its row, its own scores and its decisions, and no files."""
        own = (row for row in clip.scores if row.track is None and row.stage == "survey")
        self.rows["scores"].extend(own)
        self.rows["decisions"].extend(decisions)
        self.rows["clips"].extend(exclude_clips([clip.row], {clip.id}))

    def add_kept(self, clip: SceneClip, regated: RegatedClip) -> None:
        """A kept clip, of which only the files are written again that have changed."""
        for name, table in TABLES.items():
            own = regated.rows.get(name, [])
            if not table.per_clip:
                self.rows[name].extend(own)
            elif name not in regated.tables_changed:
                entry = self.data.find_file(name, clip.id)
                if entry is not None:
                    self.tables[name].append(entry)
            elif own:
                data = parquet.write(table.row, own)
                self.add_file(name, f"{name}-{clip.id}.parquet", data, len(own), clip.id)
        self.rows["clips"].append(regated.row)
        self.assets.update(asset.file for asset in regated.rows["assets"])

    def add_file(self, table: str, name: str, data: bytes, rows: int, clip: str | None = None) -> None:
        """Add a file of a table."""
        self.tables[table].append(describe_file(name, data, rows=rows, clip=clip))
        (self.folder / name).write_bytes(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegatedVersion:
    """A version that is not published yet: new files are in `folder`, and those that stay in `earlier`."""

    version: DatasetVersion
    folder: Path
    earlier: Path
    changes: Changes

    def find(self, name: str) -> Path:
        """The file of a name."""
        new = self.folder / name
        return new if new.is_file() else self.earlier / name

    def list_files(self) -> Iterator[FileEntry]:
        """Every file of the version, tables first."""
        manifest = self.version.manifest
        for entries in (*manifest.tables.values(), manifest.files):
            yield from entries


def regate(
    data: Dataset,
    bounds: Mapping[str, Bound],
    out: Path,
    *,
    reviews: Sequence[Review] = (),
    key: str | None = None,
) -> tuple[DatasetVersion, Changes]:
    """Write a version with other bounds or decisions by hand to `out`; return it and what came and went.

    `key` signs it. Scores, masks and crops are those that are stored, so it takes seconds, and no video is
    read. Raises DatasetError `option_unknown` for a gate that has no scores, `review_misfit` for a clip or
    track that the version does not have, `dataset_conflict` when `out` is not empty.
    """
    with tempfile.TemporaryDirectory() as folder:
        regated = build_regated_version(data, bounds, Path(folder), reviews, is_signed=key is not None)
        names = {entry.sha256: entry.name for entry in regated.list_files()}
        documents = render_documents(regated.version, lambda digest: regated.find(names[digest]).read_bytes())
        files: Iterator[tuple[str, bytes | Path]] = (
            (entry.name, regated.find(entry.name)) for entry in regated.list_files()
        )
        if not publish_folder(out, regated.version.manifest, chain(files, documents.items()), key=key):
            raise DatasetError("dataset_conflict", f"{out} is not empty: a version is never changed")
    return regated.version, regated.changes


def build_regated_version(
    data: Dataset,
    bounds: Mapping[str, Bound],
    folder: Path,
    reviews: Sequence[Review] = (),
    *,
    is_signed: bool,
) -> RegatedVersion:
    """The version that other bounds and decisions by hand give; raises DatasetError as `regate` does.

    New files are written to `folder`, which is empty. Of the tables of single clips, those of frames and
    actions are not read.
    """
    measured = {row.name for row in data.iterate("scores")}
    unknown = sorted(set(bounds) - measured)
    if unknown:
        known = ", ".join(sorted(measured))
        raise DatasetError("option_unknown", f"there are no scores of {', '.join(unknown)}; known: {known}")
    indexed = index_reviews(reviews, data)
    writer, changes = _Writer(data, folder), Changes()
    writer.rows["sources"].extend(data.iterate("sources"))
    kept: dict[str, set[int] | None] = {}

    def keeps(clip_id: str, track: int | None) -> bool:
        if clip_id not in kept:
            kept[clip_id] = list_kept_tracks(data.clip(clip_id), bounds, indexed.get(clip_id))
        own = kept[clip_id]
        return own is not None and (track is None or track in own)

    for clip in data.clips(rejected=True):
        _add_clip(writer, changes, clip, bounds, indexed.get(clip.id), keeps)
    for name, table in TABLES.items():
        if not table.per_clip:
            rows = writer.rows[name]
            writer.add_file(name, f"{name}.parquet", parquet.write(table.row, rows), len(rows))
    manifest = _build_manifest(data, writer, bounds)
    version = DatasetVersion(manifest, writer.rows, build_funnel(writer.rows), is_signed)
    return RegatedVersion(version=version, folder=folder, earlier=data.folder, changes=changes)


def _add_clip(
    writer: _Writer,
    changes: Changes,
    clip: SceneClip,
    bounds: Mapping[str, Bound],
    reviews: ClipReviews | None,
    keeps: KeepsTrack,
) -> None:
    if not clip.row.kept:
        _add_rejected_clip(writer, changes, clip, ClipPolicy(clip, bounds), reviews)
        return
    regated = regate_clip(clip, bounds, reviews, keeps)
    if regated.failed:
        changes.clips_removed[clip.id] = regated.failed
        own = [
            row for row in regated.rows["decisions"] if row.track is None and row.gate in _list_gates(clip)
        ]
        writer.add_rejected(clip, own)
        return
    writer.add_kept(clip, regated)
    tracks = {track.track: track for track in clip.all_tracks}

    def describe(track: int, gates: tuple[str, ...]) -> TrackChange:
        row = tracks[track]
        return TrackChange(clip=clip.id, track=track, label=row.label or row.concept, gates=gates)

    changes.tracks_added += [describe(track, tracks[track].failed) for track in regated.added]
    changes.tracks_removed += [describe(track, gates) for track, gates in regated.removed.items()]
    changes.tracks_unavailable += [describe(track, tracks[track].failed) for track in regated.unavailable]


def _add_rejected_clip(
    writer: _Writer, changes: Changes, clip: SceneClip, policy: ClipPolicy, reviews: ClipReviews | None
) -> None:
    """A clip without frames stays out, whatever is decided; that it would be in is reported."""
    verdicts = decide_by_hand(clip, policy.name, reviews)
    verdict = verdicts.get(None)
    passes_gates = not policy.others and not list_failed(policy.decide(clip.scores))
    if passes_gates if verdict is None else verdict.passed:
        changes.clips_unavailable.append(clip.id)
    decided = [row for row in clip.decisions if row.gate != REVIEW_GATE]
    # keeping it cannot be carried out and decides nothing
    by_hand = [row for row in verdicts.values() if row.track is not None or not row.passed]
    writer.add_rejected(clip, [*decided, *by_hand])


def _list_gates(clip: SceneClip) -> set[str]:
    """The gates of the clip itself."""
    measured = {row.name for row in clip.scores if row.track is None and row.stage == "survey"}
    return {*measured, REVIEW_GATE}


def _build_manifest(data: Dataset, writer: _Writer, bounds: Mapping[str, Bound]) -> DatasetManifest:
    old = data.manifest
    parameters = dict(old.parameters)
    known = parameters.get("policy") or {"name": old.policy, "bounds": {}}
    stored = {name: (bound[0], bound[1]) for name, bound in known["bounds"].items()}
    policy = GatePolicy(old.policy, stored)
    policy = policy.with_bounds(bounds) if bounds else policy
    parameters["policy"] = policy.as_json()
    return replace(
        old,
        tables=writer.tables,
        files=tuple(entry for entry in old.files if entry.name in writer.assets),
        totals=compute_totals(writer.rows, writer.tables),
        rejected=count_rejected(writer.rows),
        parameters=parameters,
        policy=policy.name,
        parents=(data.version,),
        schema_version=DatasetManifest({}).schema_version,
    )
