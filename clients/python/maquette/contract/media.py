"""Images, videos and depth maps of requests."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel, ResponseModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UploadId = Annotated[str, Field(pattern=r"^upl_[0-9a-f]{28}$")]
MediaKind = Literal["image", "video", "asset", "array"]


class MediaRef(RequestModel):
    """An uploaded medium by its content hash, or an https address to fetch it from."""

    id: Sha256 | None = None
    """Hash of an upload."""
    url: Annotated[str, Field(max_length=4096)] | None = None
    """An https address; it is fetched when the job runs."""

    @model_validator(mode="after")
    def _check_one(self) -> "MediaRef":
        if (self.id is None) == (self.url is None):
            raise ValueError("give exactly one of 'id' (from POST /v1/uploads) and 'url' (https)")
        return self


class DepthMap(RequestModel):
    """The depth of each pixel of the upright image; zero, negative, NaN and infinite depths are unknown.

    A 16-bit or float PNG or TIFF, or a NumPy file (.npy) of depths (H, W) or of points (H, W, 3) in the
    camera frame. From points without intrinsics, the camera that fits them is estimated.
    """

    media: MediaRef
    """The file."""
    measures: Literal["z", "distance"] = "z"
    """What depths (H, W) are: z along the optical axis, or the distance along each pixel's ray."""
    axes: Literal["opencv", "opengl", "pytorch3d"] = "opencv"
    """Axes of points: OpenCV (x right, y down, z forward), OpenGL (x right, y up, z backward) or PyTorch3D
    (x left, y up, z forward)."""
    metres_per_unit: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Metres per unit; null is 0.001 for integers and 1 for floats."""


class DepthFrames(RequestModel):
    """The depth of each decoded frame of a video, of the size of its upright frames.

    A NumPy file (.npy, or .npz with one array) of integers or floats (T, H, W) in C order, or a video of
    16-bit or float grey frames, as clients pack folders of numbered PNG or TIFF files. Zero, negative, NaN
    and infinite depths, and those beyond 2 km, are unknown.
    """

    media: MediaRef
    """The upload."""
    measures: Literal["z", "distance"] = "z"
    """What depths are: z along the optical axis, or the distance along each pixel's ray."""
    metres_per_unit: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Metres per unit; null is 0.001 for integers and 1 for floats."""

    @model_validator(mode="after")
    def _check_uploaded(self) -> "DepthFrames":
        if self.media.id is None:
            raise ValueError("the depth of a video must be uploaded: POST /v1/uploads, and give its 'id'")
        return self


class Media(ResponseModel):
    """What the service knows of an upload from its headers; unknown is null."""

    id: Sha256
    kind: MediaKind
    """An asset is a splat or a mesh, an array a NumPy file of depth."""
    media_type: str
    bytes: int
    width: int | None
    """Width of the upright image in pixels; null for assets."""
    height: int | None
    frames: int | None = None
    """Frames of a video, or depth maps of an array."""
    duration_seconds: float | None = None
    frame_rate: float | None = None
    codec: str | None = None
    flags: list[str] = []
    """Warnings: `file_truncated`, `hdr_not_tone_mapped`, `wide_gamut_not_converted`, `icc_profile_ignored`,
    `pixels_made_square`."""


class ResumableUpload(ResponseModel):
    """An upload that arrives in several requests, by tus 1.0.0: `offset` of `bytes` have arrived."""

    id: UploadId
    bytes: int
    offset: int
    """Where the next bytes belong; all have arrived once the medium is there."""
    media: Media | None = None
    """The medium, once all bytes have arrived; its id is what requests name."""
    expires_at: datetime
    """Until when the upload can be resumed; each append moves it."""
