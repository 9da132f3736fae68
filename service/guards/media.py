"""The media of one tenant, as requests refer to them: what exists, and what kind it is.

Media given by address are unknown until a worker has fetched them: their address is checked, and None is
returned for what is known of them.
"""

from collections.abc import Iterator
from typing import Any

from maquette.contract import DepthFrames, MediaRef
from pydantic import BaseModel

from media.addresses import check_url
from service.problems import ServiceProblem
from storage.ledger import Database, files

# what the probe of an upload found: kind, width, height, frames, ...
MediaInfo = dict[str, Any]
# share of its frames by which a container's own count may be wrong; chosen, not measured. The survey counts.
FRAME_COUNT_TOLERANCE = 0.05
KINDS = {"image": "a still image", "video": "a video", "asset": "a splat or a mesh", "array": "a NumPy file"}


class TenantMedia:
    """Looks media up; raises ServiceProblem for what a job cannot use, MediaError for addresses."""

    def __init__(self, db: Database, tenant: str) -> None:
        self._db = db
        self._tenant = tenant

    def find(self, sha256: str) -> MediaInfo | None:
        """What is known of an upload."""
        row = files.find_media(self._db, self._tenant, sha256)
        return None if row is None else row.info

    def require_image(self, ref: MediaRef) -> MediaInfo | None:
        """A still image, or the first frame of an animation."""
        info = self._require(ref)
        if info is not None and info["kind"] != "image":
            raise ServiceProblem(
                "not_an_image", 422, f"this job needs an image; the medium is {KINDS[info['kind']]}"
            )
        return info

    def require_video(self, ref: MediaRef) -> MediaInfo | None:
        """A video, or an animation of several frames."""
        info = self._require(ref)
        if info is None or info["kind"] == "video":
            return info
        if info["kind"] != "image" or (info.get("frames") or 1) == 1:
            raise ServiceProblem(
                "not_a_video", 422, f"this job needs a video; the medium is {KINDS[info['kind']]}"
            )
        return info

    def require_asset(self, ref: MediaRef) -> None:
        """A splat or a mesh: an upload, or an artefact of the tenant."""
        if ref.url is not None:
            check_url(ref.url)
            return
        sha256 = str(ref.id)
        info = self.find(sha256)
        artefact = files.find_artefact(self._db, self._tenant, sha256)
        if info is None and (artefact is None or artefact.deleted):
            raise ServiceProblem(
                "media_unknown", 404, f"no upload and no artefact of yours has the id {sha256}"
            )
        if info is not None and info["kind"] != "asset":
            raise ServiceProblem(
                "not_an_asset", 422, f"this job needs a splat or a mesh; the medium is {KINDS[info['kind']]}"
            )

    def require_depth_map(self, ref: MediaRef, image: MediaInfo | None) -> None:
        """One depth map of an image's size; NumPy files are not turned upright."""
        info = self._require(ref)
        if info is None:
            return
        maps = info.get("frames") if info["kind"] == "array" else None
        if info["kind"] not in ("image", "array") or maps not in (None, 1):
            kind = KINDS[info["kind"]] if maps is None else f"a NumPy file of {maps} maps"
            raise ServiceProblem(
                "not_a_depth_map", 422, f"'depth' needs an image or a NumPy file; the medium is {kind}"
            )
        _check_same_size(info, image)

    def require_depth_frames(self, given: DepthFrames, video: MediaInfo | None) -> None:
        """A depth map for each frame of a video."""
        info = self._require(given.media)
        assert info is not None, "the contract refuses depth of videos by address"
        maps = info.get("frames")
        if info["kind"] != "video" and not (info["kind"] == "array" and maps):
            raise ServiceProblem(
                "not_a_depth_map",
                422,
                "the depth of a video is a NumPy file of (T, H, W), or grey frames; the medium is "
                f"{KINDS[info['kind']]}",
            )
        _check_same_size(info, video)
        frames = None if video is None else video.get("frames")
        if maps and frames and abs(maps - frames) > FRAME_COUNT_TOLERANCE * frames:
            raise ServiceProblem(
                "depth_mismatch",
                422,
                f"the depth has {maps} maps, the video {frames} frames: give one map per frame",
            )

    def _require(self, ref: MediaRef) -> MediaInfo | None:
        if ref.url is not None:
            check_url(ref.url)
            return None
        info = self.find(str(ref.id))
        if info is None:
            raise ServiceProblem(
                "media_unknown", 404, f"no upload has the id {ref.id}: POST /v1/uploads first"
            )
        return info


def list_uploads(value: object) -> Iterator[str]:
    """The hashes of all media that are not given by address, wherever they stand in a request."""
    if isinstance(value, MediaRef):
        if value.id is not None:
            yield value.id
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from list_uploads(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_uploads(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from list_uploads(item)


def _check_same_size(depth: MediaInfo, image: MediaInfo | None) -> None:
    size = depth["width"], depth["height"]
    if image is not None and size != (image["width"], image["height"]):
        raise ServiceProblem(
            "depth_mismatch",
            422,
            f"the depth is {size[0]} x {size[1]}, the upright image {image['width']} x {image['height']}",
        )
