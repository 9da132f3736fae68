"""Names for regions, by an ImageNet classifier (PP-LCNetV2, 1000 names)."""

import cv2
import numpy as np

from workers.engines.protocols import Mask, Rgb
from workers.engines.weights import find_weight, open_session
from workers.geometry.boxes import mask_extent

MODEL = "pplcnetv2_imagenet.onnx"
LABELS = "imagenet_labels.txt"
SIDE = 224
MARGIN = 0.15
# a name below the first is left unsaid, below the second it is told as weak
ENOUGH, SURE = 0.3, 0.6
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class Namer:
    """The classifier; raises the errors of `weights.open_session` when it cannot be loaded."""

    def __init__(self, threads: int = 2) -> None:
        self._net = open_session(MODEL, threads)
        self._names = find_weight(LABELS).read_text(encoding="utf-8").splitlines()

    def name(self, image: Rgb, mask: Mask) -> tuple[str | None, float]:
        """The best name of a masked region and its probability; no name where none is likely enough.

        The region's square is cut out with a margin; what lies outside the mask is dimmed, not erased,
        since the classifier has only seen whole photos.
        """
        probabilities = self._net.run(None, {"x": _square(image, mask)})[0][0]
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        return (self._names[best] if probability >= ENOUGH else None), probability


def _square(image: Rgb, mask: Mask) -> np.ndarray:
    x0, y0, x1, y1 = mask_extent(mask)
    center = (y0 + y1) / 2, (x0 + x1) / 2
    half = max(y1 - y0, x1 - x0) * (0.5 + MARGIN)
    matrix = np.array(
        [
            [SIDE / (2 * half), 0, SIDE / 2 - center[1] * SIDE / (2 * half)],
            [0, SIDE / (2 * half), SIDE / 2 - center[0] * SIDE / (2 * half)],
        ]
    )
    dimmed = np.where(mask[..., None], image, (image // 2 + 64).astype(np.uint8))
    cut = cv2.warpAffine(
        dimmed,
        matrix,
        (SIDE, SIDE),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128,) * 3,
    )
    scaled = (cut.astype(np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
