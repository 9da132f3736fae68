"""A FAKE of Meta's `sam3` package that follows its recorded contract: it judges our adapter, not the model.

Recorded from facebookresearch/sam3 at `meta_loading.COMMIT` (`model/sam3_base_predictor.py`,
`model/sam3_video_inference.py`, `model/sam3_image_processor.py`, `model/sam3_image.py`): requests and
answers, what is refused, and what starts a session anew. It "sees" discs by their colour.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SIDE = 112
COLOURS = {"red": (250, 30, 30), "green": (30, 240, 40)}
SCORES = {"red": 0.9, "green": 0.6}
Pixels = NDArray[np.uint8]
# images lie in the corner of a square of this side, the rest of which is negative
CANVAS = 256


@dataclass(frozen=True)
class Stage:
    """`FindStage`: which image and which phrase each row of a batch has."""

    img_ids: Any
    text_ids: Any


def crop(features: Any) -> Pixels:
    """The image of one row of the fake features."""
    canvas = features.numpy()
    shown = canvas[..., 0] >= 0
    return np.asarray(canvas[: shown.any(1).sum(), : shown.any(0).sum()], np.uint8)


def seen(image: Pixels, name: str) -> NDArray[np.bool_]:
    """The pixels of a colour."""
    actual: NDArray[np.bool_] = (np.abs(image.astype(int) - COLOURS[name]) < 30).all(axis=2)
    return actual


def colour_at(image: Pixels, x: float, y: float) -> str | None:
    """Which colour a pixel has."""
    return next((name for name in COLOURS if seen(image, name)[int(y), int(x)]), None)


class FakeVideoModel:
    """What the adapter reads of the video model: its thresholds and the side of its square."""

    image_size = SIDE

    def __init__(self) -> None:
        self.score_threshold_detection, self.new_det_thresh = 0.5, 0.7


class FakePredictor:
    """Meta's requests: `start_session`, `add_prompt`, `propagate_in_video`, `close_session`."""

    def __init__(self) -> None:
        self.model = FakeVideoModel()
        self.sessions: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self._all_inference_states: dict[str, dict[str, Any]] = {}
        # what upstream's parts still refer to when a session is closed
        self.held: list[dict[str, Any]] = []

    def handle_request(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        kind = request["type"]
        if kind == "start_session":
            frames = request["resource_path"]
            assert isinstance(frames, list) and all(isinstance(each, Image.Image) for each in frames)
            assert len({each.size for each in frames}) == 1
            name = f"session-{len(self.sessions)}"
            self.held.append({"input_batch": frames, "cached_frame_outputs": {}, "feature_cache": {}})
            state = SimpleNamespace(frames=[np.asarray(each) for each in frames], held=self.held[-1])
            self.sessions[name] = state
            self._reset(state)
            self._all_inference_states[name] = {"state": self.held[-1], "session_id": name}
            return {"session_id": name}
        if kind == "close_session":
            del self.sessions[request["session_id"]]
            session = self._all_inference_states.pop(request["session_id"])
            del session
            return {"is_success": True}
        state = self.sessions[request["session_id"]]
        assert kind == "add_prompt", kind
        place = request["frame_index"]
        assert 0 <= place < len(state.frames)
        if "points" in request:
            self._point(state, place, request)
        else:
            self._name(state, place, request)
        return {"frame_index": place, "outputs": self._outputs(state, place)}

    def handle_stream_request(self, request: dict[str, Any]) -> Any:
        self.asked.append(request)
        assert request["type"] == "propagate_in_video"
        state, start = self.sessions[request["session_id"]], request["start_frame_index"]
        ways = {"forward": ["f"], "backward": ["b"], "both": ["f", "b"]}[request["propagation_direction"]]
        for way in ways:
            # backward leaves the frame out on which it starts
            order = range(start, len(state.frames)) if way == "f" else range(start - 1, -1, -1)
            for place in order:
                state.passed.add(place)
                yield {"frame_index": place, "outputs": self._outputs(state, place)}

    def _reset(self, state: Any) -> None:
        state.objects, state.corrections, state.passed = {}, {}, set()
        # as SAM 3.1 does; SAM 3 empties the one that it has
        state.held["cached_frame_outputs"] = {}

    def _name(self, state: Any, place: int, request: dict[str, Any]) -> None:
        text, boxes = request.get("text"), request.get("bounding_boxes")
        assert text is not None or boxes is not None
        self._reset(state)
        if boxes is not None:
            assert len(boxes) == len(request["bounding_box_labels"]) == 1, "one box starts a visual prompt"
            x, y, width, height = boxes[0]
            assert all(0 <= value <= 1 for value in (x, y, width, height, x + width, y + height))
            rows, columns = state.frames[place].shape[:2]
            text = colour_at(state.frames[place], (x + width / 2) * columns, (y + height / 2) * rows)
        if text in COLOURS and SCORES[text] >= self.model.new_det_thresh:
            state.objects[0] = (text, SCORES[text], -1)

    def _point(self, state: Any, place: int, request: dict[str, Any]) -> None:
        assert "text" not in request and "bounding_boxes" not in request
        assert state.passed, "No cached outputs found"
        points, labels, number = request["points"], request["point_labels"], request["obj_id"]
        assert all(0 <= value <= 1 for point in points for value in point) and len(points) == len(labels)
        rows, columns = state.frames[place].shape[:2]
        if set(labels) & {2, 3}:
            (x0, y0), (x1, y1) = points[0], points[1]
            inside = ((x0 + x1) / 2, (y0 + y1) / 2)
        else:
            good = [point for point, label in zip(points, labels, strict=True) if label == 1]
            inside = good[0] if good else None
        if inside is not None:
            name = colour_at(state.frames[place], inside[0] * columns, inside[1] * rows)
            if number in state.objects:
                state.corrections.setdefault(number, []).append((place, name))
            else:
                state.objects[number] = (name, 1.0, place)
        elif number in state.objects:
            state.corrections.setdefault(number, []).append((place, None))

    def _outputs(self, state: Any, place: int) -> dict[str, Any]:
        ids, masks, scores = [], [], []
        for number, (name, score, first) in sorted(state.objects.items()):
            if place < first or name is None:
                continue
            mask = seen(state.frames[place], name)
            for since, extra in state.corrections.get(number, []):
                if place >= since:
                    mask = np.zeros_like(mask) if extra is None else mask | seen(state.frames[place], extra)
            ids.append(number)
            masks.append(mask)
            scores.append(score)
        cached = {number: torch.from_numpy(mask[None]) for number, mask in zip(ids, masks, strict=True)}
        state.held["cached_frame_outputs"][place] = cached
        shape = (0, *state.frames[place].shape[:2])
        return {
            "out_obj_ids": np.array(ids, np.int64),
            "out_binary_masks": np.stack(masks) if masks else np.zeros(shape, np.bool_),
            "out_probs": np.array(scores, np.float32),
            "out_boxes_xywh": np.zeros((len(ids), 4), np.float32),
        }


class FakeImageModel:
    """`Sam3Image`: the parts that the adapter calls, with Meta's shapes and units."""

    def __init__(self) -> None:
        tokenizer = SimpleNamespace(encode=lambda text: text.split())
        self.backbone = SimpleNamespace(
            forward_text=self._words, language_backbone=SimpleNamespace(tokenizer=tokenizer)
        )
        sizes = SimpleNamespace(mask_input_size=(28, 28))
        self.inst_interactive_predictor = SimpleNamespace(
            model=SimpleNamespace(image_size=SIDE, sam_prompt_encoder=sizes)
        )

    def _words(self, captions: list[str], device: str) -> dict[str, Any]:
        assert device == "cpu" and len(set(captions)) == len(captions)
        return {"language_features": captions}

    def _get_dummy_prompt(self, num_prompts: int = 1) -> Any:
        boxes: list[Any] = []

        def append(box: Any, label: Any) -> None:
            assert box.shape == (1, 1, 4) and label.shape == (1, 1) and label.dtype == torch.bool
            boxes.append((box[0, 0].tolist(), bool(label)))

        return SimpleNamespace(append_boxes=append, boxes=boxes)

    def forward_grounding(
        self, backbone_out: Any, find_input: Any, geometric_prompt: Any, find_target: Any
    ) -> dict[str, Any]:
        assert find_target is None and find_input.img_ids.shape == find_input.text_ids.shape
        images = [crop(each) for each in backbone_out["backbone_fpn"][0][find_input.img_ids]]
        phrases = [backbone_out["language_features"][row] for row in find_input.text_ids.tolist()]
        found = [self._find(*each, geometric_prompt.boxes) for each in zip(images, phrases, strict=True)]
        logits, masks, semantic = (torch.tensor(np.stack(each)) for each in zip(*found, strict=True))
        return {
            "pred_logits": logits[..., None],
            "presence_logit_dec": torch.full((len(found), 1), 9.0),
            "pred_masks": masks,
            "semantic_seg": semantic[:, None],
        }

    def _find(self, image: Pixels, wanted: str, boxes: Any) -> tuple[Any, Any, Any]:
        rows, columns = image.shape[:2]
        for (x, y, _, _), label in boxes:
            name = colour_at(image, x * columns, y * rows)
            wanted = name if label and name else wanted
        logits = np.array([4.0 if name == wanted else -4.0 for name in COLOURS], np.float32)
        masks = np.stack([np.where(seen(image, name), 8.0, -8.0) for name in COLOURS]).astype(np.float32)
        semantic = masks[list(COLOURS).index(wanted)] if wanted in COLOURS else -masks[0] * 0 - 8
        return logits, masks, semantic

    def predict_inst(self, state: Any, **asked: Any) -> tuple[Any, Any, Any]:
        image = crop(state["backbone_out"]["backbone_fpn"][0][0])
        points, box = asked["point_coords"], asked["box"]
        x, y = points[0] + 0.5 if points is not None else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        name = colour_at(image, x, y)
        mask = seen(image, name) if name else np.zeros(image.shape[:2], np.bool_)
        if asked["mask_input"] is not None:
            assert asked["mask_input"].shape == (1, 28, 28)
        count = 3 if asked["multimask_output"] else 1
        low = np.where(mask, 4.0, -4.0).astype(np.float32)
        return np.stack([mask] * count), np.array([0.2, 0.9, 0.4][:count]), np.stack([low] * count)


class FakeProcessor:
    """`Sam3Processor`: images come as PIL images, and one state is that of all of them."""

    find_stage = Stage(torch.tensor([0]), torch.tensor([0]))

    def set_image_batch(self, images: list[Any]) -> dict[str, Any]:
        assert images and all(isinstance(image, Image.Image) for image in images)
        canvas = torch.full((len(images), CANVAS, CANVAS, 3), -1, dtype=torch.int16)
        for row, image in enumerate(images):
            canvas[row, : image.height, : image.width] = torch.tensor(np.asarray(image).astype(np.int16))
        return {
            "original_heights": [image.height for image in images],
            "original_widths": [image.width for image in images],
            "backbone_out": {
                "vision_features": torch.zeros(len(images), 8, 4, 4),
                "backbone_fpn": [canvas],
                "vision_pos_enc": [torch.zeros(len(images), 8, 4, 4)],
                "sam2_backbone_out": None,
            },
        }
