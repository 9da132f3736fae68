"""Key points, hand boxes and the choice of hands for upstream's model, which takes them between its steps.

`process_one_image` has no argument for them. While `prompting` is entered, the model's own methods are
preceded or followed by ours; afterwards they are as they were. The child imports this in upstream's
environment: NumPy alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Upstream's label of a prompt that says nothing.
NO_PROMPT = -2
# Side in pixels of the box of a hand that is not wanted: upstream refines no hand under 64 pixels.
UNWANTED_SIDE = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Prompts of N people in pixels of the image.

    `points` (N, K, 3) float32 are x, y and the index of the key point, `NO_PROMPT` in unused rows;
    `hands` (N, 2, 4) float32 the boxes of the left and the right hand, NaN where upstream's own is taken;
    `refined` says which of the two are refined.
    """

    points: NDArray[np.float32]
    hands: NDArray[np.float32]
    refined: tuple[bool, bool]

    def select(self, rows: slice) -> "Prompts":
        """The prompts of some of the people."""
        return Prompts(self.points[rows], self.hands[rows], self.refined)


@contextmanager
def prompting(torch: Any, model: Any, prompts: Prompts | None) -> Iterator[list[NDArray[np.bool_]]]:
    """Let a model of upstream see prompts; gives a list that the points outside the crop are put into.

    That is one array (N, K) for each time they were used: a point outside the crop around the person's box
    cannot be shown to the network, and is left out.
    """
    outside: list[NDArray[np.bool_]] = []
    if prompts is None:
        yield outside
        return
    changed = {"_get_hand_box": _choose_hands(model, prompts)}
    if (prompts.points[..., 2] != NO_PROMPT).any():
        changed |= _show_points(torch, model, prompts, outside)
    for name, method in changed.items():
        setattr(model, name, method)
    try:
        yield outside
    finally:
        for name in changed:
            delattr(model, name)


def _choose_hands(model: Any, prompts: Prompts) -> Any:
    original = model._get_hand_box

    def get_hand_box(*args: Any, **kwargs: Any) -> Any:
        boxes = original(*args, **kwargs)
        for side, own in enumerate(boxes):
            given = prompts.hands[:, side]
            known = ~np.isnan(given).any(axis=1)
            own[known] = given[known]
            if not prompts.refined[side]:
                centre = (own[:, :2] + own[:, 2:]) / 2
                own[:, :2], own[:, 2:] = centre - UNWANTED_SIDE / 2, centre + UNWANTED_SIDE / 2
        return boxes

    return get_hand_box


def _show_points(
    torch: Any, model: Any, prompts: Prompts, outside: list[NDArray[np.bool_]]
) -> dict[str, Any]:
    forward, prompt = model.forward_step, model.run_keypoint_prompt

    def normalise(batch: Any) -> Any:
        """The points as upstream's prompt encoder wants them: x and y of the crop in [0, 1]."""
        points = torch.from_numpy(prompts.points.copy()).to(batch["img"])
        crop = model._full_to_crop(batch, points[..., :2]) + 0.5
        used = points[..., 2] != NO_PROMPT
        is_shown = ((crop >= 0) & (crop <= 1)).all(dim=-1) & used
        outside.append(np.asarray((used & ~is_shown).cpu()))
        shown = torch.full_like(points, NO_PROMPT)
        shown[..., :2] = 0
        shown[is_shown] = torch.cat([crop, points[..., 2:]], dim=-1)[is_shown]
        return shown

    def run_keypoint_prompt(batch: Any, output: Any, own: Any) -> Any:
        """Upstream's prompts for wrists and elbows, and the user's, which win."""
        shown = normalise(batch)
        if own is None:
            return prompt(batch, output, shown)
        own = own.clone()
        repeated = (own[..., 2:] == shown[..., 2][:, None]).any(dim=-1) & (own[..., 2] != NO_PROMPT)
        own[repeated] = own.new_tensor([0, 0, NO_PROMPT])
        return prompt(batch, output, torch.cat([own, shown], dim=1))

    def forward_step(batch: Any, decoder_type: str = "body") -> Any:
        output = forward(batch, decoder_type=decoder_type)
        if decoder_type != "body":
            return output
        found = output["mhr"]
        output, _ = run_keypoint_prompt(batch, output, None)
        # what upstream adds after the decoder ran is read by its next step
        for name in ("hand_box", "hand_logits"):
            if name in found:
                output["mhr"].setdefault(name, found[name])
        return output

    return {"forward_step": forward_step, "run_keypoint_prompt": run_keypoint_prompt}
