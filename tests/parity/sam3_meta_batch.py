"""A batch of pairs of image and phrase, collated by Meta's code as in its example of batched inference."""

import importlib
from collections.abc import Sequence
from typing import Any

from PIL import Image

from workers.engines.protocols import Rgb


def collate(images: Sequence[Rgb], pairs: Sequence[tuple[int, str]], processor: Any) -> Any:
    """Meta's `BatchedDatapoint` of one datapoint per image; images are prepared by Meta's processor.

    The rows of its output are in the order of the images, and within one in that of the pairs.
    """
    data: Any = importlib.import_module("sam3.train.data.sam3_image_dataset")
    collator: Any = importlib.import_module("sam3.train.data.collator")
    to_image = importlib.import_module("torchvision.transforms.v2").functional.to_image
    points = []
    for number, image in enumerate(images):
        size = image.shape[:2]
        metadata = data.InferenceMetadata(number, number, 1, size, -1, 0)
        queries = [
            data.FindQueryLoaded(text, 0, [], True, inference_metadata=metadata)
            for which, text in pairs
            if which == number
        ]
        planes = processor.transform(to_image(Image.fromarray(image)))
        points.append(data.Datapoint(queries, [data.Image(planes, [], size)]))
    return collator.collate_fn_api(points, dict_key="batch")["batch"]
