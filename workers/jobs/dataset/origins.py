"""Where the videos of a dataset job come from: uploads, addresses, and buckets."""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maquette.contract import DatasetJob, MediaRef
from maquette.contract.datasets import BucketInput, SourceInfo
from maquette.errors import MaquetteError
from maquette.sources.buckets import BucketVideo, list_bucket_videos
from maquette.sources.globs import get_file_name

from media.errors import MediaError
from storage.buckets import BucketUnknown, open_address
from workers.datasets.stages.keys import hash_json
from workers.errors import JobProblem
from workers.jobs.context import JobContext
from workers.jobs.dataset.workspace import JobWorkspace


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a video comes from: one of `videos` by its number, or what lies in one of `buckets`."""

    video: int | None = None
    bucket: int | None = None
    name: str | None = None
    objects: tuple[str, ...] = ()
    bytes: int = 0

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Origin":
        """What `dataclasses.asdict` returned."""
        return cls(**{**content, "objects": tuple(content["objects"])})

    def load_info(self, request: DatasetJob) -> SourceInfo:
        """What the request says about it."""
        if self.bucket is None:
            return request.sources[self.video or 0] if request.sources else SourceInfo()
        known = request.buckets[self.bucket].source
        numbered = len(self.objects) > 1
        update = {"name": self.name, "time_assumed": numbered or known.time_assumed}
        return SourceInfo.model_validate({**known.model_dump(), **update})

    def choose_name(self, request: DatasetJob) -> str:
        """What to call it in messages: the name that it was given, or the end of its address."""
        name = self.load_info(request).name
        if name is not None or self.video is None:
            return str(name)
        ref = request.videos[self.video]
        return str(ref.id) if ref.url is None else get_file_name(ref.url)

    def as_brief_json(self) -> dict[str, Any]:
        """For parts after the fetch, which only need to know whether there is one object or several."""
        return asdict(self) | {"objects": self.objects[:2]}


def list_origins(context: JobContext, workspace: JobWorkspace, request: DatasetJob) -> list[Origin]:
    """Every video of a request; a bucket is listed once per job, whatever is added to it later."""
    origins = [Origin(video=number) for number in range(len(request.videos))]
    for number, given in enumerate(request.buckets):
        key = hash_json(["bucket", number, given.address])
        listing = workspace.get_cached(key)
        if listing is None:
            context.progress("list", message=f"listing {given.address}")
            listing = json.dumps([asdict(item) for item in _list_bucket(context, number, given)]).encode()
            workspace.put_cached(key, listing)
        origins += map(Origin.from_json, json.loads(listing))
    return origins


def find_upload(request: DatasetJob, origin: Origin) -> str | None:
    """The hash of a video that is uploaded, None for one that has to be fetched."""
    return None if origin.video is None else request.videos[origin.video].id


def fetch_video(context: JobContext, request: DatasetJob, origin: Origin) -> str:
    """Store a video from an address or a bucket and return its hash; raises JobProblem or MediaError."""
    if origin.bucket is None:
        return context.media.resolve(MediaRef(url=request.videos[origin.video or 0].url))[0]
    limit = context.media.upload_limit
    if origin.bytes > limit:
        raise MediaError("upload_too_large", f"{origin.name} is larger than {limit:,} bytes", 413)
    given = request.buckets[origin.bucket]
    files, _ = open_bucket(context, given.address)
    video = BucketVideo(str(origin.name), origin.objects, origin.bytes, files)
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = video.fetch(Path(folder), given.frame_rate)
        except (OSError, ValueError) as error:
            raise JobProblem("bucket_unreadable", f"{origin.name} of {given.address}: {error}") from error
        return context.media.add_file(path)


def _list_bucket(context: JobContext, number: int, given: BucketInput) -> list[Origin]:
    files, path = open_bucket(context, given.address)
    try:
        videos = list(list_bucket_videos(files, path))
    except OSError as error:
        raise JobProblem("bucket_unreadable", f"{given.address}: {error}") from error
    if not videos:
        detail = f"{given.address} holds no video and no numbered JPEG or PNG frames"
        raise JobProblem("bucket_empty", detail)
    return [
        Origin(bucket=number, name=video.name, objects=video.objects, bytes=video.bytes) for video in videos
    ]


def open_bucket(context: JobContext, address: str) -> tuple[Any, str]:
    """A file system and the path in it; raises JobProblem `bucket_unknown`."""
    try:
        return open_address(address, context.settings.s3_endpoint)
    except (BucketUnknown, MaquetteError) as error:
        raise JobProblem("bucket_unknown", str(error)) from error
