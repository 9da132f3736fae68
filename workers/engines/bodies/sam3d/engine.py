"""SAM 3D Body as a bodies engine: upstream in a process of its own, all people of an image in one call."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from maquette.contract.capabilities import SAM3D_BODY, SAM3D_BODY_CONTROLS
from numpy.typing import NDArray

from workers.engines.bodies.input_checks import check_people
from workers.engines.bodies.mhr.assets import find_assets, hash_file, verify
from workers.engines.bodies.mhr.evaluation import BodyModelsMhr
from workers.engines.bodies.mhr.lods import NATIVE, convert_lod, load_lod_mesh
from workers.engines.bodies.mhr.model import MhrModel, SkinnedMesh
from workers.engines.bodies.sam3d.assemble import Assembler
from workers.engines.bodies.sam3d.calls import BodyCall, encode_calls, group_calls
from workers.engines.bodies.sam3d.contract import UpstreamAnswer, assign, read_people
from workers.engines.bodies.sam3d.errors import LICENCE, Sam3dBodyContract, Sam3dBodyUnavailable
from workers.engines.bodies.sam3d.prompt_arrays import encode_prompts
from workers.engines.bodies.sam3d.settings import CHILD, Sam3dBodySettings
from workers.engines.host.errors import HostRefused
from workers.engines.host.host import EngineHost, HostSpec
from workers.engines.host.startup import start_host
from workers.engines.protocols import BodyControls, BodyEstimate, BodyQuery, Box, EngineInfo, Mask, Rgb
from workers.engines.weights import WeightsCorrupt
from workers.geometry.cameras import Camera

# Shortest visible side of a box in pixels that is sent to upstream; chosen, not measured.
MIN_BOX_SIDE = 16
CONFIG = "model_config.yaml"
# Upstream enlarges boxes that close tightly around a mask by this factor before it crops.
MASK_BOX_SCALE = 1.2


class Sam3dBody:
    """Loads once; the child serves many images and is replaced when it fails."""

    def __init__(self, settings: Sam3dBodySettings | None = None, model: MhrModel | None = None) -> None:
        """Check weights and assets, start and load the child.

        Raises Sam3dBodyUnavailable, MhrMissing, MhrCorrupt, WeightsCorrupt, or a HostError.
        """
        self._settings = chosen = settings or Sam3dBodySettings()
        checkpoint = _checkpoint(chosen)
        assets = chosen.assets or find_assets()
        weights = {checkpoint.name: _checked(checkpoint, chosen.sha256), **verify(assets)}
        fov = chosen.fov
        if fov is not None and fov.is_file():
            weights[f"{fov.parent.name}/{fov.name}"] = hash_file(fov)
        self._model = model or BodyModelsMhr(assets)
        self._assets, self._meshes = assets, dict[int, SkinnedMesh]()
        if chosen.lod != NATIVE:
            self._mesh(chosen.lod)
        self._host = EngineHost(_spec(chosen, checkpoint, assets))
        ready = start_host(self._host, Sam3dBodyUnavailable)
        self._assembler = Assembler(self._model, chosen.mode, bool(ready["uses_camera_centre"]))
        self.info = EngineInfo(
            name="sam3d_body",
            kind="bodies",
            # what else results depend on: how boxes of masks are widened, and who finds an unknown camera
            version=f"sam-3d-body/{ready['backbone']}/{chosen.mode}/lod{chosen.lod}"
            f"/mask_boxes{MASK_BOX_SCALE}{'/fov' if fov else ''}{chosen.precision_label()}",
            device=str(ready["device"]),
            licence=f"{LICENCE} (weights and code of SAM 3D Body); Apache-2.0 (MHR)",
            capabilities=(*SAM3D_BODY, *SAM3D_BODY_CONTROLS[chosen.mode]),
            limits=(
                "metres come from the network's prior",
                "faces keep a neutral expression",
                "visibility says what is inside the image, not what is hidden",
            ),
            weights=weights,
            settings={
                "profile": chosen.profile,
                "dtype": str(ready["dtype"]),
                "tf32": chosen.tf32,
                "compile": chosen.compile,
                "mode": chosen.mode,
                "lod": chosen.lod,
            },
        )

    def close(self) -> None:
        """Stop the child and give its memory back; the next call starts it again."""
        self._host.close()

    def recover(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
        seed: int = 0,
    ) -> list[BodyEstimate | None]:
        """One body per box, in order; None where there is no trustworthy body. `seed` has no effect.

        Raises ValueError when masks or camera do not match, Sam3dBodyContract when upstream's answer is not
        what was recorded, HostTimeout, HostCrashed, HostGarbled or HostRefused when the child gave none.
        """
        return self.recover_prompted(image, boxes, BodyControls(), masks, camera=camera)

    def recover_prompted(
        self,
        image: Rgb,
        boxes: Sequence[Box],
        controls: BodyControls,
        masks: Sequence[Mask] | None = None,
        *,
        camera: Camera | None = None,
    ) -> list[BodyEstimate | None]:
        """One body per box as the controls say.

        Raises what `recover` does, and RequestRefused `keypoint_unknown`.

        Bodies of which a key point lay outside the crop around the box, where the network does not see it,
        are flagged `keypoint_outside_crop`.
        """
        call = self.prepare_people(BodyQuery(image, tuple(boxes), controls, masks, camera))
        return self.finish_people(call, self.recover_batch([call])[0])

    def prepare_people(self, query: BodyQuery) -> BodyCall:
        """What the child needs of one image; raises ValueError, RequestRefused `keypoint_unknown`."""
        image, boxes, controls, masks = query.image, query.boxes, query.controls, query.masks
        height, width = image.shape[:2]
        _check(image, boxes, masks, query.camera)
        known = query.camera
        if known is None and self._settings.fov is None:
            known = Camera.assumed(width, height)
        usable = tuple(i for i, box in enumerate(boxes) if _usable(box, width, height))
        requested = np.asarray([boxes[i] for i in usable], dtype=np.float32).reshape(-1, 4)
        if masks is not None:
            requested = widen_boxes(requested)
        return BodyCall(
            image=image,
            boxes=boxes,
            usable=usable,
            requested=requested,
            camera=known,
            # 60 masks of a 12 megapixel image are 90 MB as bits and 720 MB as bytes
            masks=np.packbits(np.stack([masks[i] for i in usable])) if masks is not None and usable else None,
            prompts=encode_prompts(controls, usable) if usable else {},
            fields={"refined": controls.refined or (True, True), "max_wrist_angle": controls.max_wrist_angle},
        )

    def recover_batch(self, calls: Sequence[BodyCall]) -> list[UpstreamAnswer | None]:
        """Upstream's answers, those of images with one size and camera from one forward; None without people.

        Raises Sam3dBodyContract, HostTimeout, HostCrashed, HostGarbled or HostRefused.
        """
        answers: dict[int, UpstreamAnswer] = {}
        for group in group_calls(calls):
            together = self._ask(group)
            counts = [len(call.usable) for call in group]
            if len(group) > 1 and len(together.people) != sum(counts):
                # whose people are missing cannot be known: one image at a time
                answers |= {id(call): self._ask([call]) for call in group}
                continue
            answers |= zip(map(id, group), together.split(counts), strict=True)
        return [answers.get(id(call)) for call in calls]

    def finish_people(self, call: BodyCall, raw: UpstreamAnswer | None) -> list[BodyEstimate | None]:
        """The bodies of an image from upstream's answer; raises Sam3dBodyContract."""
        bodies: list[BodyEstimate | None] = [None] * len(call.boxes)
        if raw is None:
            return bodies
        height, width = call.image.shape[:2]
        view = call.camera or _estimated(raw.intrinsics, width, height)
        assigned = assign(raw.people, call.requested.astype(np.float64))
        for i, person, is_outside in zip(call.usable, assigned, raw.outside, strict=True):
            if person is not None:
                body = self._assembler.body(person, call.boxes[i], view)
                if body is not None and is_outside:
                    body = replace(body, flags=(*body.flags, "keypoint_outside_crop"))
                bodies[i] = None if body is None else self._convert_lod(body, self._settings.lod)
        return bodies

    def at_lod(self, body: BodyEstimate, lod: int) -> BodyEstimate:
        """A body of LOD 1 at another level, 0 (finest) to 6; LOD 1 gives it back.

        A body that this engine was set to make at another level stays as it is, flagged `lod_ignored`. Raises
        ValueError for no such level, MhrMissing or MhrCorrupt when the assets do not have it.
        """
        if self._settings.lod == lod:
            return body
        if self._settings.lod != NATIVE:
            return replace(body, flags=(*body.flags, "lod_ignored"))
        return self._convert_lod(body, lod)

    def _convert_lod(self, body: BodyEstimate, lod: int) -> BodyEstimate:
        return body if lod == NATIVE else convert_lod(body, lod, self._mesh(lod))

    def _ask(self, calls: Sequence[BodyCall]) -> UpstreamAnswer:
        """What upstream gives for calls that share a forward."""
        try:
            answer = self._host.ask(*encode_calls(calls)).arrays
            return UpstreamAnswer(read_people(answer), answer["intrinsics"], answer["outside"])
        except HostRefused as error:
            if error.code == "contract":
                raise Sam3dBodyContract(str(error)) from error
            raise

    def _mesh(self, lod: int) -> SkinnedMesh:
        if lod not in self._meshes:
            self._meshes[lod] = load_lod_mesh(self._model.mesh, self._assets, lod, len(self._model.parents))
        return self._meshes[lod]


def _estimated(matrix: NDArray[Any], width: int, height: int) -> Camera:
    """The camera of the field-of-view estimator; raises Sam3dBodyContract for implausible intrinsics."""
    fx, fy, cx, cy = (float(value) for value in (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]))
    if not (np.isfinite([fx, fy, cx, cy]).all() and fx > 0 and fy > 0):
        raise Sam3dBodyContract(f"the estimated intrinsics are {matrix.tolist()}")
    return Camera(width, height, fx, fy, cx, cy, source="estimated")


def _check(image: Rgb, boxes: Sequence[Box], masks: Sequence[Mask] | None, camera: Camera | None) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"the image is {image.dtype} {image.shape}, not uint8 (H, W, 3)")
    check_people(image, boxes, masks, camera)


def _usable(box: Box, width: int, height: int) -> bool:
    x0, y0, x1, y1 = box
    if not np.isfinite(box).all():
        return False
    across, down = min(x1, width) - max(x0, 0), min(y1, height) - max(y0, 0)
    return min(across, down) >= MIN_BOX_SIDE


def widen_boxes(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (N, 4) xyxy enlarged about their centres as upstream does those of SAM 3: cut at 0 alone."""
    low, high = boxes[:, :2], boxes[:, 2:]
    centre, half = (low + high) / 2, (high - low) * (MASK_BOX_SCALE / 2)
    return np.concatenate([np.maximum(centre - half, 0), centre + half], axis=1).astype(np.float32)


def _checkpoint(settings: Sam3dBodySettings) -> Path:
    path = settings.checkpoint
    if path is None:
        raise Sam3dBodyUnavailable("no checkpoint is named")
    if not path.is_file():
        raise Sam3dBodyUnavailable(f"{path} does not exist")
    if not any((folder / CONFIG).is_file() for folder in (path.parent, path.parent.parent)):
        raise Sam3dBodyUnavailable(f"{CONFIG} lies neither beside {path} nor in the folder above")
    return path


def _checked(path: Path, pinned: str | None) -> str:
    actual = hash_file(path)
    if pinned is not None and actual != pinned.lower():
        raise WeightsCorrupt(f"{path} has sha256 {actual[:12]}…, the setting says {pinned[:12]}…")
    return actual


def _spec(settings: Sam3dBodySettings, checkpoint: Path, assets: Path) -> HostSpec:
    return HostSpec(
        name="sam3d_body",
        module=CHILD,
        python=settings.python,
        config={
            "checkpoint": str(checkpoint),
            "mhr_model": str(assets / "mhr_model.pt"),
            "fov": None if settings.fov is None else str(settings.fov),
            "mode": settings.mode,
            "profile": settings.profile,
            "tf32": settings.tf32,
            "compile": settings.compile,
        },
        pythonpath=(str(settings.source),) if settings.source is not None else (),
        environment={"MOMENTUM_ENABLED": "0", "HF_HUB_OFFLINE": "1"},
        load_seconds=settings.load_seconds,
        request_seconds=settings.request_seconds,
        requests_before_recycle=settings.requests_before_recycle,
    )
