"""Find the videos of a plan, with what is known of each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from maquette.contract.media import MediaRef
from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.reading import read_sources
from maquette.dataset_plan.schema import DatasetPlan, PlanDepth, PlanInput, PlanSource
from maquette.dataset_plan.uploads import is_upload, parse_upload
from maquette.sources.buckets import BucketVideo, find_bucket_videos, is_bucket
from maquette.sources.folder_names import ends_with, name_apart
from maquette.sources.folders import FrameFolder, count_photos, find_videos
from maquette.sources.globs import expand_globs, expand_lists, get_file_name

Medium = Path | str | BucketVideo | FrameFolder | MediaRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVideo:
    """A video, and what is known of it as fields of SourceInfo; its depth is a path on this machine."""

    medium: Medium
    info: dict[str, Any]

    @property
    def label(self) -> str:
        """What it is called in messages."""
        if isinstance(self.medium, FrameFolder):
            return str(self.medium.path)
        if isinstance(self.medium, MediaRef):
            return f"upload {self.medium.id}"
        return self.medium.name if isinstance(self.medium, BucketVideo) else str(self.medium)

    @property
    def bytes(self) -> int | None:
        """Its size; None for an https address and an upload."""
        if isinstance(self.medium, str | MediaRef):
            return None
        return self.medium.stat().st_size if isinstance(self.medium, Path) else self.medium.bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVideo:
    """A video, where it lies, and whether it is a folder of numbered frames."""

    medium: Medium
    path: PurePath
    is_numbered: bool = False


def collect_videos(plan: DatasetPlan, *, skip_buckets: bool = False) -> list[PlannedVideo]:
    """Find the videos of a plan.

    Raises FileNotFoundError where an address has no video, PlanError for a depth that belongs to no video.
    """
    inputs = plan.input
    sources = {**(read_sources(inputs.sources_file) if inputs.sources_file else {}), **inputs.sources}
    depths = [inputs.depth, *(source.depth for source in sources.values())]
    media = [depth.media for depth in depths if depth is not None]
    depth_folders = {path.resolve() for path in media if isinstance(path, Path)}
    videos = list(_find_all(inputs, depth_folders, skip_buckets=skip_buckets))
    facts = assign_facts([video.path for video in videos], sources)
    names = name_apart([video.path for video in videos])
    planned = [
        PlannedVideo(medium=video.medium, info=_describe(video, name, inputs, own))
        for video, name, own in zip(videos, names, facts, strict=True)
    ]
    if inputs.depth is not None:
        if len(planned) != 1 or (skip_buckets and bucket_addresses(inputs)):
            raise PlanError("input.depth belongs to a single video: use input.sources for several")
        planned[0].info["depth"] = _depth_fields(inputs.depth)
    return planned


def count_unused_photos(plan: DatasetPlan) -> dict[Path, int]:
    """Count, folder by folder, the photos beside videos of a plan: they are no frames and not used."""
    counts: dict[Path, int] = {}
    for address in expand_lists(plan.input.videos):
        if not is_upload(address) and not is_bucket(address):
            for source in expand_globs([address]):
                counts |= count_photos(source) if isinstance(source, Path) else {}
    return counts


def bucket_addresses(inputs: PlanInput) -> list[str]:
    """Return the addresses of buckets among the videos."""
    return [address for address in expand_lists(inputs.videos) if is_bucket(address)]


def _find_all(
    inputs: PlanInput, depth_folders: Collection[Path], *, skip_buckets: bool
) -> Iterator[FoundVideo]:
    addresses = list(expand_lists(inputs.videos))
    for address in filter(is_bucket, [] if skip_buckets else addresses):
        for video in find_bucket_videos(address):
            yield FoundVideo(medium=video, path=video.path, is_numbered=video.is_frame_folder)
    for address in addresses:
        if is_upload(address):
            ref = _parse_upload(address)
            yield FoundVideo(medium=ref, path=PurePosixPath(str(ref.id)))
        elif not is_bucket(address):
            yield from _find_files(address, depth_folders)


def _find_files(address: str, depth_folders: Collection[Path]) -> Iterator[FoundVideo]:
    """The videos of a file, a folder, a glob or an https address."""
    for source in expand_globs([address]):
        if not isinstance(source, Path):
            folder = PurePosixPath(unquote(urlsplit(source).path)).parent
            yield FoundVideo(medium=source, path=folder / get_file_name(source))
            continue
        for item in find_videos(source):
            if not isinstance(item, FrameFolder):
                yield FoundVideo(medium=item, path=item.absolute())
            elif item.path.resolve() not in depth_folders:
                yield FoundVideo(medium=item, path=item.path.resolve(), is_numbered=True)


def _parse_upload(address: str) -> MediaRef:
    try:
        return parse_upload(address)
    except ValueError as error:
        raise PlanError(f"input.videos: {error}") from error


def assign_facts(paths: Sequence[PurePath], sources: Mapping[str, PlanSource]) -> list[PlanSource]:
    """Return what is known of each video by the longest key that its path ends with, if there is one.

    Raises PlanError for a key that names files of several folders.
    """
    chosen: dict[str, PurePath] = {}
    facts = []
    for path in paths:
        keys = [key for key in sources if ends_with(path, key)]
        key = max(
            keys, key=lambda key: (len(PurePath(key).parts), PurePath(key).name == path.name), default=None
        )
        if key is None:
            facts.append(PlanSource())
            continue
        other = chosen.setdefault(key, path)
        if other.name == path.name and other != path:
            names = " and ".join(name_apart([other, path]))
            raise PlanError(f"input.sources: {key!r} names two videos: give their folders too, {names}")
        facts.append(sources[key])
    return facts


def _describe(video: FoundVideo, name: str, inputs: PlanInput, own: PlanSource) -> dict[str, Any]:
    """Merge what is known of every video with what is known of this one."""
    info = {
        # what an upload is called is known where its facts say it
        "name": None if isinstance(video.medium, MediaRef) else name,
        "time_assumed": video.is_numbered,
        **inputs.source.model_dump(exclude_none=True, exclude_unset=True),
        **own.model_dump(exclude_none=True, exclude_unset=True, exclude={"depth"}),
    }
    if own.depth is not None:
        info["depth"] = _depth_fields(own.depth)
    return info


def _depth_fields(depth: PlanDepth) -> dict[str, Any]:
    return depth.model_dump(exclude_none=True)
