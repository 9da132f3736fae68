"""The `cv_utils_kernel` of transformers in plain NumPy and OpenCV, and mask operations on top of it.

transformers looks for a compiled kernel on the hub and, without one, silently leaves video masks unprocessed.
These are the functions that it calls, on any device, with no download (its call sites:
transformers/models/sam3_video/modeling_sam3_video.py).
"""

from typing import Any

import cv2
import numpy as np
import torch
from transformers.models.sam3_video import modeling_sam3_video as stock

from workers.engines.concepts.sam3.errors import KernelMissing


class CvUtils:
    """The object that transformers calls; stateless. Method names and arguments are those of transformers."""

    @staticmethod
    def generic_nms(ious: Any, scores: Any, iou_threshold: float, use_iou_matrix: bool = True) -> Any:
        """Greedy non-maximum suppression: int64 indices (K,) of what remains, best score first.

        `ious` is float (N, N), `scores` float (N,). An item is dropped when its IoU with a better one that
        remains is above the threshold; equal scores keep their order. Raises ValueError without an IoU
        matrix.
        """
        if not use_iou_matrix:
            raise ValueError("only IoU matrices are supported")
        order = torch.sort(scores.float(), descending=True, stable=True).indices.cpu().numpy()
        overlaps = ious.detach().float().cpu().numpy() > iou_threshold
        dropped = np.zeros(len(order), np.bool_)
        kept = []
        for index in order:
            if not dropped[index]:
                kept.append(int(index))
                dropped |= overlaps[index]
        return torch.tensor(kept, dtype=torch.int64, device=scores.device)

    @staticmethod
    def cc_2d(masks: Any, get_counts: bool = True) -> Any:
        """8-connected components of uint8 masks (B, 1, H, W): int32 labels and areas of the same shape.

        Labels count from 1 within each mask; both are 0 where the mask is 0. Without `get_counts` labels
        only.
        """
        images = masks.detach().cpu().numpy()
        labels = np.zeros(images.shape, np.int32)
        areas = np.zeros(images.shape, np.int32)
        for index, image in enumerate(images[:, 0]):
            _, components, stats, _ = cv2.connectedComponentsWithStats(
                image, connectivity=8, ltype=cv2.CV_32S
            )
            sizes = stats[:, cv2.CC_STAT_AREA].astype(np.int32)
            sizes[0] = 0
            labels[index, 0] = components
            areas[index, 0] = sizes[components]
        on_device = torch.from_numpy(labels).to(masks.device)
        return (on_device, torch.from_numpy(areas).to(masks.device)) if get_counts else on_device


def mask_iou(pred_masks: Any, gt_masks: Any) -> Any:
    """IoU (N, M) f32 of bool masks (N, H, W) and (M, H, W), by one matrix product.

    The numbers are exactly those of transformers' function of this name (counts below 2**24 are exact in
    float32), which holds N x M x H x W int64 at once: 26 GB for 200 detections.
    """
    left, right = pred_masks.flatten(1).float(), gt_masks.flatten(1).float()
    # counts of pixels are exact in float32, not in an autocast's bfloat16
    with torch.autocast(left.device.type, enabled=False):
        inner = left @ right.T
    union = left.sum(dim=1)[:, None] + right.sum(dim=1)[None, :] - inner
    return inner / union.clamp(min=1)


def install() -> None:
    """Give transformers our kernel and our mask IoU; call once before any video, then `check`."""
    stock.cv_utils_kernel = CvUtils()
    stock.mask_iou = mask_iou


def check() -> None:
    """Raise KernelMissing unless transformers really fills holes and suppresses duplicates with our kernel.

    transformers swallows every error of a kernel, so being installed is not enough: it has to act.
    """
    if not isinstance(stock.cv_utils_kernel, CvUtils):
        raise KernelMissing("modeling_sam3_video.cv_utils_kernel is not ours: video masks would stay raw")
    ring = torch.full((1, 1, 8, 8), -1.0)
    ring[..., 2:7, 2:7] = 1.0
    ring[..., 4, 4] = -1.0
    ring[..., 0, 0] = 1.0
    filled = stock.fill_holes_in_mask_scores(ring, max_area=4)
    twins = ring[0].expand(2, 8, 8)
    keep = stock.nms_masks(torch.tensor([0.8, 0.9]), twins, prob_threshold=0.5, iou_threshold=0.5)
    if filled[0, 0, 4, 4] <= 0 or filled[0, 0, 0, 0] > 0 or keep.tolist() != [False, True]:
        raise KernelMissing(
            "this version of transformers does not use our kernel: video masks would stay raw"
        )


def remove_small_areas(masks: Any, max_area: int) -> Any:
    """Mask logits (N, H, W) without holes and specks of up to `max_area` pixels; 0 changes nothing."""
    if max_area <= 0 or masks.shape[0] == 0:
        return masks
    return stock.fill_holes_in_mask_scores(masks.unsqueeze(1), max_area=max_area).squeeze(1)


def suppress_overlaps(scores: Any, masks: Any, iou_threshold: float) -> Any:
    """Indices (K,) of mask logits (N, H, W) that remain after mask NMS, best of the scores (N,) first."""
    binary = masks > 0
    return CvUtils.generic_nms(mask_iou(binary, binary), scores, iou_threshold)
