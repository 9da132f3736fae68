"""Find the videos of a plan, with what is known of each."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.reading import read_sources
from maquette.dataset_plan.schema import DatasetPlan, PlanDepth, PlanInput, PlanSource
from maquette.sources.buckets import BucketVideo, find_bucket_videos, is_bucket
from maquette.sources.folders import FrameFolder, find_videos
from maquette.sources.globs import expand_globs, expand_lists, get_file_name

Medium = Path | str | BucketVideo | FrameFolder


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
        return self.medium.name if isinstance(self.medium, BucketVideo) else str(self.medium)

    @property
    def bytes(self) -> int | None:
        """Its size; None for an https address."""
        if isinstance(self.medium, str):
            return None
        return self.medium.stat().st_size if isinstance(self.medium, Path) else self.medium.bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVideo:
    """A video, the name that it is known by, and whether it is a folder of numbered frames."""

    medium: Medium
    name: str
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
    planned = [PlannedVideo(medium=video.medium, info=_describe(video, inputs, sources)) for video in videos]
    if inputs.depth is not None:
        if len(planned) != 1 or (skip_buckets and bucket_addresses(inputs)):
            raise PlanError("input.depth belongs to a single video: use input.sources for several")
        planned[0].info["depth"] = _depth_fields(inputs.depth)
    return planned


def bucket_addresses(inputs: PlanInput) -> list[str]:
    """Return the addresses of buckets among the videos."""
    return [address for address in expand_lists(inputs.videos) if is_bucket(address)]


def _find_all(
    inputs: PlanInput, depth_folders: Collection[Path], *, skip_buckets: bool
) -> Iterator[FoundVideo]:
    addresses = list(expand_lists(inputs.videos))
    for address in filter(is_bucket, [] if skip_buckets else addresses):
        for video in find_bucket_videos(address):
            yield FoundVideo(medium=video, name=video.name, is_numbered=video.is_frame_folder)
    for source in expand_globs([address for address in addresses if not is_bucket(address)]):
        if not isinstance(source, Path):
            yield FoundVideo(medium=source, name=get_file_name(source))
            continue
        for item in find_videos(source):
            if not isinstance(item, FrameFolder):
                yield FoundVideo(medium=item, name=item.name)
            elif item.path.resolve() not in depth_folders:
                yield FoundVideo(medium=item, name=item.path.resolve().name, is_numbered=True)


def _describe(video: FoundVideo, inputs: PlanInput, sources: dict[str, PlanSource]) -> dict[str, Any]:
    """Merge what is known of every video with what is known of this one."""
    own = sources.get(video.name) or sources.get(Path(video.name).stem) or PlanSource()
    info = {
        "name": video.name,
        "time_assumed": video.is_numbered,
        **inputs.source.model_dump(exclude_none=True, exclude_unset=True),
        **own.model_dump(exclude_none=True, exclude_unset=True, exclude={"depth"}),
    }
    if own.depth is not None:
        info["depth"] = _depth_fields(own.depth)
    return info


def _depth_fields(depth: PlanDepth) -> dict[str, Any]:
    return depth.model_dump(exclude_none=True)
