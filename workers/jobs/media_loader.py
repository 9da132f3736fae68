"""Loads the media of a job's request: images, frames, videos, depth and assets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract import MediaRef
from numpy.typing import NDArray

from media.errors import MediaError
from media.fetch import fetch
from media.sandbox import Depths, Frames, Sandbox
from storage.artefacts import ArtefactStore
from storage.ledger import Database, JobRow, blobs, files
from workers.errors import JobProblem
from workers.jobs.claims import claim_file

# longest download of a medium given by address; chosen, not measured
FETCH_SECONDS = 300.0
# five million Gaussians with colours of degree 3 take 1.2 GB
MAX_ASSET_BYTES = 3 << 29
# what the probe of an upload found: kind, width, height, frames, ...
MediaInfo = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image, or a frame of a video: upright sRGB pixels (H, W, 3) uint8 and the hash of its file.

    Of EXIF: `focal_35mm` in millimetres of 35 mm film, `elevation_deg` of the camera above the horizon.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    focal_35mm: float | None
    frame: int | None = None
    elevation_deg: float | None = None

    @property
    def key(self) -> str:
        """The key of these pixels in caches."""
        return self.sha256 if self.frame is None else f"{self.sha256}#{self.frame}"

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedVideo:
    """A video that is decoded while `frames` is read, from frame `first` on, in constant memory.

    One video is open at a time. `frame_count` is the container's own count, None where it has none.
    """

    sha256: str
    first: int
    width: int
    height: int
    frame_count: int | None
    frame_rate: float | None
    time_base: tuple[int, int]
    frames: Frames
    backward: bool = False

    def count_frames(self, limit: int | None) -> int | None:
        """Return how many frames there are to read, `limit` at most; None where neither is known."""
        known = self.frame_count
        left = self.first + 1 if self.backward else None if known is None else max(known - self.first, 0)
        return min((count for count in (left, limit) if count is not None), default=None)


class MediaLoader:
    """Loads media of a job's tenant through the sandbox, and records which ones a job has read.

    Methods raise MediaError for media that cannot be used, JobProblem for the wrong kind of medium.
    """

    def __init__(
        self,
        db: Database,
        store: ArtefactStore,
        sandbox: Sandbox,
        job: JobRow,
        *,
        progress: Callable[..., None],
        check: Callable[[], None],
        max_stored_bytes: float = 0,
    ) -> None:
        """`progress` reports the stage of a download; `check` is called during it and may raise Stopped."""
        self._db, self._store, self._sandbox = db, store, sandbox
        self._job, self._tenant = job, job.tenant
        self._progress, self._check = progress, check
        self._max_stored_bytes = max_stored_bytes
        self.sources: list[str] = []
        # flags of a video's end are added when its last frame has been read
        self._flags: list[Sequence[str]] = []

    @property
    def flags(self) -> list[str]:
        """Flags of the media read so far, each once."""
        return list(dict.fromkeys(chain.from_iterable(self._flags)))

    @property
    def upload_limit(self) -> int:
        """The size in bytes of the largest medium that is accepted."""
        return self._sandbox.limits.upload_bytes

    def resolve(self, ref: MediaRef) -> tuple[str, MediaInfo]:
        """The hash of a medium, which is downloaded if need be, and what its probe found."""
        sha256 = ref.id or self._fetch(str(ref.url))
        row = files.find_media(self._db, self._tenant, sha256)
        if row is None:
            raise MediaError("media_unknown", f"no upload has the id {sha256}; upload it first", 404)
        if sha256 not in self.sources:
            self.sources.append(sha256)
            self._flags.append(row.info.get("flags", ()))
        return sha256, row.info

    def load_image(self, ref: MediaRef, *, keep: bool = False) -> LoadedImage:
        """Decode an image; with `keep`, its pixels are read-only, and at hand for the next job about it."""
        sha256, info = self.resolve(ref)
        if info["kind"] != "image":
            raise JobProblem("not_an_image", f"this job needs an image; the medium is a {info['kind']}")
        decoded = self._sandbox.image(self._store.path(sha256), key=sha256 if keep else None)
        self._flags.append(decoded.flags)
        return LoadedImage(decoded.pixels, sha256, decoded.focal_35mm, elevation_deg=decoded.elevation_deg)

    def load_frame(self, ref: MediaRef, index: int) -> LoadedImage:
        """Decode one frame of a video or an animation."""
        video = self.open_video(ref, start=index, limit=1)
        # read to the end: a decoder that is stopped on the way has to be started again
        [frame] = list(video.frames)
        return LoadedImage(frame.pixels, video.sha256, None, index)

    def open_video(
        self,
        ref: MediaRef,
        *,
        start: int | None = None,
        backward: bool = False,
        limit: int | None = None,
    ) -> LoadedVideo:
        """Open a video or an animation at frame `start` (by default the first; backward, the last)."""
        sha256, info = self.resolve(ref)
        if info["kind"] not in ("image", "video"):
            raise JobProblem("not_a_video", f"this job needs a video; the medium is an {info['kind']}")
        is_animation = info["kind"] == "image"
        if is_animation and (info.get("frames") or 1) < 2:
            raise JobProblem(
                "not_a_video", "this job needs a video; the medium is a still image: use segment"
            )
        opened = self._sandbox.frames(
            self._store.path(sha256), animated=is_animation, start=start, backward=backward, limit=limit
        )
        self._flags.append(opened.flags)
        return LoadedVideo(
            sha256=sha256,
            first=opened.first,
            width=info["width"],
            height=info["height"],
            frame_count=info.get("frames"),
            frame_rate=info.get("frame_rate"),
            time_base=opened.time_base,
            frames=opened.frames,
            backward=backward,
        )

    def load_depth_map(self, ref: MediaRef) -> tuple[NDArray[np.float32], bool]:
        """The numbers of a depth map (H, W) or point map (H, W, 3), and whether they are integers."""
        sha256, info = self.resolve(ref)
        if info["kind"] not in ("image", "array") or (info["kind"] == "array" and info.get("frames")):
            raise JobProblem("not_a_depth_map", "'depth' needs an image or a NumPy file of one map")
        return self._sandbox.depth(self._store.path(sha256))

    def open_depth_frames(self, ref: MediaRef, start: int, limit: int | None = None) -> Depths:
        """The depth maps of a video from frame `start` on; they can be read while its frames are read."""
        sha256, info = self.resolve(ref)
        if info["kind"] != "video" and not (info["kind"] == "array" and info.get("frames")):
            raise JobProblem(
                "not_a_depth_map", "the depth of a video is a NumPy file of (T, H, W), or grey frames"
            )
        return self._sandbox.second.depths(self._store.path(sha256), start=start, limit=limit)

    def find_asset(self, ref: MediaRef) -> Path:
        """The file of a splat or a mesh: an upload, or an artefact of the tenant.

        Raises JobProblem `not_an_asset`, or `asset_too_large` above MAX_ASSET_BYTES.
        """
        artefact = None if ref.id is None else files.find_artefact(self._db, self._tenant, ref.id)
        if ref.id is not None and artefact is not None and not artefact.deleted:
            self.sources.append(ref.id)
            return self._check_asset(ref.id)
        sha256, info = self.resolve(ref)
        if info["kind"] != "asset":
            raise JobProblem("not_an_asset", f"this job needs a splat or a mesh; it is a {info['kind']}")
        return self._check_asset(sha256)

    def add_file(self, file: Path) -> str:
        """Store a local file as a medium of the tenant; returns its hash."""
        info = self._sandbox.probe(file)
        sha256 = self._store.put_file(file, self._claim)
        files.add_media(self._db, self._tenant, sha256, {**info, "bytes": file.stat().st_size})
        return sha256

    def _check_asset(self, sha256: str) -> Path:
        size = self._store.size(sha256)
        if size > MAX_ASSET_BYTES:
            raise JobProblem(
                "asset_too_large", f"the asset has {size} bytes; at most {MAX_ASSET_BYTES} are read"
            )
        return self._store.path(sha256)

    def _fetch(self, url: str) -> str:
        self._progress("fetch", message="fetching the medium")
        with self._store.writer() as writer:
            for chunk in fetch(url, self.upload_limit, FETCH_SECONDS):
                writer.write(chunk)
                self._check()
            info = self._sandbox.probe(writer.flush())
            size = writer.bytes
            sha256 = writer.commit(self._claim)
        files.add_media(self._db, self._tenant, sha256, {**info, "bytes": size})
        return sha256

    def _claim(self, sha256: str, size: int) -> None:
        """Keep a medium that is about to be stored for this job, as `claim_file` does."""
        claim_file(self._db, self._job, blobs.INPUT, sha256, size, default=self._max_stored_bytes)
