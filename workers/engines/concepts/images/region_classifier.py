"""Names for regions of an image, by an ImageNet classifier (PP-LCNetV2, 1000 names)."""

import cv2
import numpy as np

from workers.engines.concepts.images.config import NamingConfig
from workers.engines.protocols import Mask, Rgb
from workers.engines.weights import find_weight, open_session
from workers.geometry.boxes import mask_extent

WEIGHTS = "pplcnetv2_imagenet.onnx"
LABELS = "imagenet_labels.txt"
# side in pixels of the square that the network reads, and ImageNet's mean and deviation, on which it was
# trained
INPUT_SIDE = 224
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class RegionClassifier:
    """The classifier; raises the errors of `weights.open_session` when it cannot be loaded."""

    def __init__(self, threads: int = 2, config: NamingConfig | None = None) -> None:
        self._network = open_session(WEIGHTS, threads)
        self._names = find_weight(LABELS).read_text(encoding="utf-8").splitlines()
        self._config = config or NamingConfig()

    def classify(self, image: Rgb, mask: Mask) -> tuple[str | None, float]:
        """The most probable name of a masked region (H, W) and its probability; None below the minimum.

        The region is cut out as a square with context. What lies outside the mask is dimmed, not erased,
        since the classifier was trained on complete photos.
        """
        pixels = _crop_region(image, mask, self._config.context_share)
        probabilities = self._network.run(None, {"x": pixels})[0][0]
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        return (self._names[best] if probability >= self._config.min_probability else None), probability


def _crop_region(image: Rgb, mask: Mask, context_share: float) -> np.ndarray:
    """The network's input f32[1,3,224,224]: the square about a region, grey outside the image."""
    x0, y0, x1, y1 = mask_extent(mask)
    center = (y0 + y1) / 2, (x0 + x1) / 2
    half = max(y1 - y0, x1 - x0) * (0.5 + context_share)
    matrix = np.array(
        [
            [INPUT_SIDE / (2 * half), 0, INPUT_SIDE / 2 - center[1] * INPUT_SIDE / (2 * half)],
            [0, INPUT_SIDE / (2 * half), INPUT_SIDE / 2 - center[0] * INPUT_SIDE / (2 * half)],
        ]
    )
    dimmed = np.where(mask[..., None], image, (image // 2 + 64).astype(np.uint8))
    crop = cv2.warpAffine(
        dimmed,
        matrix,
        (INPUT_SIDE, INPUT_SIDE),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128,) * 3,
    )
    scaled = (crop.astype(np.float32) / 255 - _MEAN) / _STD
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
