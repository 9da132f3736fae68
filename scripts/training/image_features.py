"""What a classifier of photos sees in a crop: PP-LCNetV2 without its classes, as a module of torch.

Needs torch and onnx, which the product does not: see scripts/training/README.md.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

# Side in pixels to which crops are enlarged, so that the features' sides are those of the U-Net's levels.
SEEN_SIDE = 160
# Channels of the features at strides 4, 8, 16 and 32 of that side.
FEATURES = (128, 256, 512, 1024)
# Stages that keep the classifier's weights: their maps are large, and their edges serve any task.
FROZEN = 2
# ImageNet's mean and deviation of red, green and blue.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Squeeze(nn.Module):
    """Squeeze and excitation: channels weighed by what the whole map holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        whole = functional.relu(self.inner(features.mean(dim=(2, 3), keepdim=True)))
        return features * torch.sigmoid(self.outer(whole))


class _Block(nn.Sequential):
    """A convolution within channels, and one or two across them."""

    def __init__(self, kernel: int, stride: int, *widths: int, squeezes: bool = False) -> None:
        first = widths[0]
        layers: list[nn.Module] = [
            nn.Conv2d(first, first, kernel, stride, kernel // 2, groups=first),
            nn.ReLU(inplace=True),
        ]
        if squeezes:
            layers.append(_Squeeze(first))
        for inner, outer in pairwise(widths):
            layers += [nn.Conv2d(inner, outer, 1), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class ImageFeatures(nn.Module):
    """The features of a classifier whose norms are part of its convolutions."""

    def __init__(self, frozen: int = FROZEN) -> None:
        super().__init__()
        self.frozen = frozen
        stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(inplace=True))
        deep = (_Block(5, 1, 512, 256, 512, squeezes=True) for _ in range(5))
        self.stages = nn.ModuleList(
            (
                nn.Sequential(stem, _Block(3, 1, 32, 64), _Block(3, 2, 64, 128), _Block(3, 1, 128, 128)),
                nn.Sequential(_Block(3, 2, 128, 256), _Block(3, 1, 256, 256)),
                nn.Sequential(_Block(5, 2, 256, 256, 512, squeezes=True), *deep),
                _Block(5, 2, 512, 1024),
            )
        )
        self.last = _Block(5, 1, 1024, 1024)

    def forward(self, crop: Tensor) -> list[Tensor]:
        """`crop` (N, 6, S, S) of the shape prior to features of strides 4, 8, 16 and 32 of SEEN_SIDE.

        What lies outside the mask is seen as ImageNet's mean colour.
        """
        mean, deviation = (crop.new_tensor(values)[None, :, None, None] for values in (MEAN, DEVIATION))
        seen = (crop[:, :3] - mean) / deviation * crop[:, 3:4]
        size = (SEEN_SIDE, SEEN_SIDE)
        features = functional.interpolate(seen, size=size, mode="bilinear", align_corners=False)
        out = []
        for number, stage in enumerate(self.stages):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= self.frozen):
                features = stage(features)
            out.append(features)
        out[-1] = features + self.last(features)
        return out


def load_classifier(path: Path) -> ImageFeatures:
    """The features of an ONNX file of PP-LCNetV2."""
    network = ImageFeatures()
    modules = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for module, (weight, bias) in zip(modules, _read_convolutions(path), strict=False):
        if module.weight.shape != weight.shape:
            raise ValueError(f"{path} is not PP-LCNetV2: {tuple(weight.shape)}, not {module.weight.shape}")
        module.weight.data, module.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
    return network


def _read_convolutions(path: Path) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weights and biases of a graph's convolutions in their order, the norms after them included."""
    graph = onnx.load(path).graph
    values = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant"
    }
    readers = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization"}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weight = values[node.input[1]]
        bias = values[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
        norm = readers.get(node.output[0])
        if norm is not None:
            scale, shift, mean, variance = (values[name] for name in norm.input[1:5])
            factor = scale / np.sqrt(variance + next(a.f for a in norm.attribute if a.name == "epsilon"))
            weight, bias = weight * factor[:, None, None, None], (bias - mean) * factor + shift
        yield weight.astype(np.float32, copy=True), bias.astype(np.float32, copy=True)
