"""Uploads: media themselves, and the media that parts of a request refer to."""

import base64
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from maquette import inputs
from maquette._async.http import AsyncHttpClient
from maquette._async.resumable import upload_in_pieces
from maquette.argument_values import unfit
from maquette.contract import DepthFrames, DepthMap, Exemplar, ImagePhrases, Media, MediaRef
from maquette.contract.datasets import BucketInput
from maquette.errors import naming_file
from maquette.hashing import sha256
from maquette.http import HttpRequest
from maquette.inputs import MediaInput
from maquette.skipping import InputRefused
from maquette.sources.avi import pack_frames
from maquette.sources.depth_frames import write_depth_file
from maquette.sources.folders import open_frame_folder

# numbered frames have no times: the rate that datasets assume, too
NUMBERED_RATE: float = BucketInput.model_fields["frame_rate"].default
DEPTH_FRAMES_FORM = (
    "a folder, a file, an array (T, H, W), or a dict with one as 'media' and fields of DepthFrames"
)


async def upload(http: AsyncHttpClient, source: MediaInput | MediaRef) -> MediaRef:
    """Upload a medium unless the service has it; an https address is left to the service.

    A folder of numbered frames is uploaded as a video of `NUMBERED_RATE` frames per second.
    """
    if isinstance(source, MediaRef):
        return source
    if isinstance(source, str | Path) and source != "" and Path(source).is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            return await upload(http, _pack_folder(Path(source), Path(scratch)))
    content = inputs.to_media(source)
    if isinstance(content, str):
        return MediaRef(url=content)
    digest = sha256(content)
    known = await http.send(HttpRequest(method="GET", path=f"/v1/uploads/{digest.hex()}", accept=(404,)))
    if known.status_code != 404:
        return MediaRef(id=digest.hex())
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
    }
    request = HttpRequest(method="POST", path="/v1/uploads", headers=headers, content=content)
    with naming_file(content):
        if await upload_in_pieces(http, content, digest):
            return MediaRef(id=digest.hex())
        response = await http.send(request)
    return MediaRef(id=Media.model_validate_json(response.content).id)


def _pack_folder(folder: Path, scratch: Path) -> Path:
    frames = open_frame_folder(folder)
    try:
        return pack_frames(frames, NUMBERED_RATE, scratch / f"{folder.resolve().name}.avi")
    except ValueError as error:
        raise InputRefused(str(error)) from error


async def upload_optional(http: AsyncHttpClient, source: MediaInput | MediaRef | None) -> MediaRef | None:
    """Upload a medium if there is one."""
    return None if source is None else await upload(http, source)


async def describe(http: AsyncHttpClient, ref: MediaRef) -> Media | None:
    """Return what the service knows of an upload; None for an address, which it has not fetched yet."""
    if ref.id is None:
        return None
    response = await http.send(HttpRequest(method="GET", path=f"/v1/uploads/{ref.id}"))
    return Media.model_validate_json(response.content)


async def delete_upload(
    http: AsyncHttpClient, upload: MediaRef | str, *, with_jobs: bool, take_down: bool
) -> None:
    """Delete an upload; an address is not kept as such, only the upload that was fetched from it."""
    digest = upload if isinstance(upload, str) else upload.id
    if digest is None:
        raise unfit("upload", "an upload's reference or hash", upload)
    wanted = {"with_jobs": with_jobs, "take_down": take_down}
    params = {name: "true" for name, value in wanted.items() if value}
    await http.send(HttpRequest(method="DELETE", path=f"/v1/uploads/{digest}", params=params))


async def upload_depth_map(http: AsyncHttpClient, depth: Any) -> DepthMap | None:
    """Upload a depth map: a file, an array, or a dict with one as `media` and further fields of DepthMap."""
    if depth is None or isinstance(depth, DepthMap):
        return depth
    fields = inputs.to_depth_fields(depth)
    return DepthMap(**{**fields, "media": await upload(http, fields["media"])})


async def upload_fields(
    http: AsyncHttpClient,
    image: MediaInput | None,
    masks: Any,
    from_job: Any,
    camera: Any,
    depth: Any,
    ground: Any,
) -> dict[str, Any]:
    """Return the fields that objects and scene jobs share, with the image and the depth map uploaded."""
    return {
        "image": await upload_optional(http, image),
        "masks": inputs.to_masks(masks),
        "from_job": inputs.to_job_id(from_job),
        "camera": inputs.to_intrinsics(camera),
        "depth": await upload_depth_map(http, depth),
        "ground": inputs.to_ground(ground),
    }


async def upload_exemplars(
    http: AsyncHttpClient, exemplars: Iterable[Any] | None, *, positive: bool
) -> list[Exemplar]:
    """Upload the images of exemplars that are dicts of a `box` and an `image`; others are boxes alone."""
    uploaded = []
    for box, image in inputs.to_exemplars(exemplars):
        ref = await upload_optional(http, image)
        uploaded.append(Exemplar(box=box, positive=positive, image=ref))
    return uploaded


async def upload_images(http: AsyncHttpClient, images: Iterable[Any] | None) -> list[ImagePhrases]:
    """Upload further images of a batch: media, or dicts of an `image` and its `text` and `thresholds`."""
    uploaded = []
    for fields in inputs.to_image_phrases(images):
        uploaded.append(ImagePhrases(**{**fields, "image": await upload(http, fields["image"])}))
    return uploaded


async def upload_source_info(http: AsyncHttpClient, info: Any) -> dict[str, Any]:
    """Return the fields of a SourceInfo or dict, with its depth uploaded.

    The depth is a folder, a file, an array, or a dict with one as `media` and further fields of DepthFrames.
    """
    fields: dict[str, Any] = info if isinstance(info, dict) else info.model_dump()
    depth = fields.get("depth")
    if depth is None or isinstance(depth, DepthFrames):
        return fields
    depth_fields = dict(depth) if isinstance(depth, dict) else {"media": depth}
    media = depth_fields.get("media")
    if media is None:
        raise unfit("depth", DEPTH_FRAMES_FORM, depth)
    if not isinstance(media, dict | MediaRef):
        with tempfile.TemporaryDirectory() as scratch:
            depth_fields["media"] = await upload(http, write_depth_file(media, Path(scratch)))
    return {**fields, "depth": depth_fields}
