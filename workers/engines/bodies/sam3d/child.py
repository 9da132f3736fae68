"""The child: upstream's estimator in its own environment. Nothing but this file imports it.

Upstream (facebookresearch/sam-3d-body, SAM License) is not part of this product and no package: its checkout
lies on the child's PYTHONPATH. Its `process_one_image` takes one image with all boxes, and masks only with
boxes; it wants RGB, puts its batch on "cuda" whatever its model is on, and prints.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.engines.bodies.sam3d import checkpoint_pickle
from workers.engines.bodies.sam3d.acceleration import accelerate, building
from workers.engines.bodies.sam3d.image_stack import ImageStack, sharing_forwards
from workers.engines.bodies.sam3d.prompting import Prompts, prompting
from workers.engines.bodies.sam3d.recorded import SHAPES
from workers.engines.host.arrays import Arrays
from workers.engines.host.child import Answer, ChildError, serve
from workers.engines.host.upstream import report_missing_checkpoint, report_missing_package, require_gpu

# Upstream's word for our mode; its "hand" path leaves the prediction under another name.
INFERENCE = {"body": "body", "hands": "hand", "full": "full"}


class Estimator:
    """A loaded estimator, answering one image at a time."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Load the checkpoint of the config; raises ChildError whose code names what is missing."""
        with report_missing_package():
            import torch
            from sam_3d_body import SAM3DBodyEstimator, load_sam_3d_body
        require_gpu(torch)
        with report_missing_checkpoint(), _tensors_only(torch), building(config):
            model, settings = load_sam_3d_body(
                config["checkpoint"], device="cuda", mhr_path=config["mhr_model"]
            )
        _check_filled(model)
        accelerate(torch, model, config)
        self._fov = _fov_estimator(config.get("fov"))
        self._torch = torch
        self._mode = INFERENCE[config["mode"]]
        self._estimator = SAM3DBodyEstimator(sam_3d_body_model=model, model_cfg=settings)
        if self._mode == "hand":
            _let_hands_through(model)
        self.ready: Answer = (
            {
                "backbone": str(settings.MODEL.BACKBONE.TYPE),
                "uses_camera_centre": bool(settings.MODEL.DECODER.get("USE_INTRIN_CENTER", False)),
                "device": str(torch.cuda.get_device_name(0)),
                "dtype": str(getattr(model, "backbone_dtype", "unknown")).removeprefix("torch."),
            },
            {},
        )

    def answer(self, fields: Mapping[str, Any], arrays: Arrays) -> Answer:
        """`image` (H, W, 3) uint8 RGB, `boxes` (N, 4), optional `masks` packed to bits, image by image.

        Several images (B, H, W, 3) of one camera come with the field `counts`, how many of the people are in
        each, in order.

        Prompts come as `points` (N, K, 3), `hands` (N, 2, 4) and the field `refined`; see `Prompts`.
        The field `max_wrist_angle` is in radians, None for upstream's.

        Without `intrinsics` (3, 3) they are estimated. Returns the arrays of `contract.SHAPES`, each with the
        people first, the intrinsics that were used, and for each person
        whether a point was `outside` the crop.
        """
        boxes = arrays["boxes"].astype(np.float32)
        counts = fields.get("counts") or [len(boxes)]
        image: Any = arrays["image"]
        if image.ndim == 4:
            image = ImageStack(image, np.repeat(np.arange(len(counts)), counts))
        masks = _unpack_masks(arrays["masks"], counts, image.shape[:2]) if "masks" in arrays else None
        given = arrays.get("intrinsics")
        if given is None:
            if self._fov is None:
                raise ChildError(
                    "no_camera", "no intrinsics are given, and no field-of-view estimator is loaded"
                )
            given = np.asarray(self._fov.get_cam_intrinsics(image))[0]
        intrinsics = self._torch.from_numpy(given.astype(np.float32)[None])
        prompts = None
        if "points" in arrays:
            prompts = Prompts(arrays["points"], arrays["hands"], tuple(fields["refined"]))
        with _wrist_angle(self._estimator, fields.get("max_wrist_angle")):
            people, outside = self._recover(image, boxes, masks, intrinsics, prompts)
        reply = {**_stacked(people), "intrinsics": given.astype(np.float64), "outside": outside}
        return {"people": len(people)}, reply

    def _recover(
        self, image: Any, boxes: Any, masks: Any, intrinsics: Any, prompts: Prompts | None
    ) -> tuple[list[dict[str, Any]], NDArray[np.bool_]]:
        """The people of an image or a stack, together; where they do not fit, half of them at a time."""
        # without hands the second decoder need not run
        mode = "body" if self._mode == "full" and prompts and not any(prompts.refined) else self._mode
        try:
            with (
                sharing_forwards(self._torch, image),
                prompting(self._torch, self._estimator.model, prompts) as outside,
            ):
                people: list[dict[str, Any]] = self._estimator.process_one_image(
                    image, bboxes=boxes, masks=masks, cam_int=intrinsics, inference_type=mode
                )
            is_outside = np.zeros(len(boxes), np.bool_)
            if outside:
                is_outside |= outside[0].any(axis=1)
            return people, is_outside
        except self._torch.cuda.OutOfMemoryError as error:
            self._torch.cuda.empty_cache()
            if len(boxes) == 1:
                raise ChildError(
                    "out_of_memory", "one person does not fit into the GPU's memory", fatal=True
                ) from error
        half = len(boxes) // 2
        halves = [
            self._recover(
                image.select(part) if isinstance(image, ImageStack) else image,
                boxes[part],
                None if masks is None else masks[part],
                intrinsics,
                None if prompts is None else prompts.select(part),
            )
            for part in (slice(None, half), slice(half, None))
        ]
        return halves[0][0] + halves[1][0], np.concatenate([halves[0][1], halves[1][1]])


def _unpack_masks(bits: NDArray[np.uint8], counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The masks (N, H, W) of the people of all images, whose bits begin at a byte for each image."""
    pixels = size[0] * size[1]
    ends = np.cumsum([-(-count * pixels // 8) for count in counts])
    parts = zip(np.split(bits, ends[:-1]), counts, strict=True)
    return np.concatenate(
        [np.unpackbits(part, count=count * pixels).reshape(count, *size) for part, count in parts]
    )


@contextmanager
def _wrist_angle(estimator: Any, radians: float | None) -> Iterator[None]:
    """Upstream reads the threshold from its estimator at every image; None keeps its value."""
    if radians is None:
        yield
        return
    before, estimator.thresh_wrist_angle = estimator.thresh_wrist_angle, radians
    try:
        yield
    finally:
        estimator.thresh_wrist_angle = before


def _fov_estimator(checkpoint: str | None) -> Any:
    """Upstream's estimator of the field of view, MoGe 2, from a local checkpoint; None when none is named."""
    if checkpoint is None:
        return None
    with report_missing_package("fov_missing"):
        from tools.build_fov_estimator import FOVEstimator
    try:
        return FOVEstimator(name="moge2", device="cuda", path=checkpoint)
    except (FileNotFoundError, ImportError) as error:
        raise ChildError("fov_missing", str(error)) from error


def _stacked(people: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    out = {}
    for name, tail in SHAPES.items():
        if not people:
            out[name] = np.zeros((0, *tail), dtype=np.float32)
            continue
        try:
            rows = [np.asarray(person[name], dtype=np.float32) for person in people]
            # a focal length may come as an array of one
            out[name] = np.stack([row.reshape(()) if tail == () else row for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            raise ChildError("contract", f"upstream's {name} is not what was recorded: {error}") from error
    return out


@contextmanager
def _tensors_only(torch: Any) -> Iterator[None]:
    """Upstream loads its checkpoint as a pickle of anything: allow tensors, and harmless records beside them.

    Raises ChildError `checkpoint_unsafe` for a checkpoint with anything else.
    """
    original = torch.load

    def load(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "weights_only": False, "pickle_module": checkpoint_pickle})

    torch.load = load
    try:
        yield
    except checkpoint_pickle.UnsafePickle as error:
        raise ChildError("checkpoint_unsafe", f"the checkpoint holds more than tensors: {error}") from error
    finally:
        torch.load = original


def _check_filled(model: Any) -> None:
    """Upstream does not mind missing tensors: faces that stayed zero show that it is another checkpoint."""
    if int(model.head_pose.faces.max()) == 0:
        raise ChildError("checkpoint_incomplete", "the checkpoint lacks the tensors of the MHR head")


def _let_hands_through(model: Any) -> None:
    """`process_one_image` reads "mhr", which the hand decoder leaves None: give it what is in "mhr_hand"."""
    original = model.run_inference

    def run_inference(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        if isinstance(output, dict) and output.get("mhr") is None:
            output["mhr"] = output["mhr_hand"]
        return output

    model.run_inference = run_inference


if __name__ == "__main__":
    serve(Estimator)
