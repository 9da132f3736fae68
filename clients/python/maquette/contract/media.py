"""Images and videos on the wire."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from maquette.contract.base import RequestModel, ResponseModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MediaKind = Literal["image", "video", "asset", "array"]


class MediaRef(RequestModel):
    """An uploaded medium by its content hash, or an https address to fetch it from."""

    id: Sha256 | None = None
    url: Annotated[str, Field(max_length=4096)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "MediaRef":
        if (self.id is None) == (self.url is None):
            raise ValueError("give exactly one of 'id' (from POST /v1/uploads) and 'url' (https)")
        return self


class DepthMap(RequestModel):
    """The depth of each pixel of the upright picture: a 16-bit or float PNG or TIFF, or a NumPy file (.npy).

    (H, W) numbers are z along the optical axis, or the length of each pixel's ray (`measures`: "distance").
    (H, W, 3) numbers are points in the camera's frame, its axes those of OpenCV (x right, y down, z ahead),
    OpenGL (x right, y up, z back) or PyTorch3D (x left, y up, z ahead); without intrinsics the camera is the
    one that fits them. A unit is `metres_per_unit`: 0.001 for whole numbers and 1 for others unless told.
    Zero, negative, NaN and infinite depths are unknown.
    """

    media: MediaRef
    measures: Literal["z", "distance"] = "z"
    axes: Literal["opencv", "opengl", "pytorch3d"] = "opencv"
    metres_per_unit: Annotated[float, Field(gt=0, le=1000)] | None = None


class DepthFrames(RequestModel):
    """The depth of each decoded frame of a video, of the size of its upright pictures.

    An upload: a NumPy file (.npy, or .npz with one array) of (T, H, W) whole numbers or floats in C order, or
    a video of 16-bit or float grey pictures, as clients pack folders of numbered PNG or TIFF files.
    `measures`, `metres_per_unit` and what is unknown are as in DepthMap; beyond 2 km is unknown too.
    """

    media: MediaRef
    measures: Literal["z", "distance"] = "z"
    metres_per_unit: Annotated[float, Field(gt=0, le=1000)] | None = None

    @model_validator(mode="after")
    def _uploaded(self) -> "DepthFrames":
        if self.media.id is None:
            raise ValueError("the depth of a video has to be uploaded: POST /v1/uploads, and give its 'id'")
        return self


class Media(ResponseModel):
    """What the service knows of an upload without decoding it all; unknown is null.

    An asset is a splat or a mesh: it has no width and height. An array with `frames` holds so many maps.
    `flags` are warnings: `file_truncated`, `hdr_not_tone_mapped`, `wide_gamut_not_converted`,
    `icc_profile_ignored`, `pixels_made_square`.
    """

    id: Sha256
    kind: MediaKind
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    frames: int | None = None
    duration_seconds: float | None = None
    frame_rate: float | None = None
    codec: str | None = None
    flags: list[str] = []
