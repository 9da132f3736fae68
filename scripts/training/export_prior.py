"""Exports the trained shape prior to ONNX, with small weights, and writes its line of the manifest.

    build/convert/bin/python -m scripts.training.export_prior build/prior.pt [--out models/shape_prior.onnx]
      [--measured models/shape_prior.onnx]

With `--measured` the new network serves the mask alone, and that of another file measured depth. Fails when
ONNX Runtime and torch differ by more than what small weights explain.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from scripts.models.manifest import file_sha256, record
from scripts.training.batches import FILL
from scripts.training.image_features import ImageFeatures
from scripts.training.prior_network import CHANNELS, PriorNetwork
from scripts.training.weight_files import OPSET, join_branches, shrink_weights, take_branch

SIDE = 80
# Shares of the hypotheses with the mask alone and with measured depth, set on the first half of the held-out
# objects.
MASK_SHARES, MEASURED_SHARES = (0.5, 0.0, 0.5, 0.0), (1.0, 0.0, 0.0, 0.0)
# Exponent of the factor by which each object is deeper than its hypotheses with the mask alone.
OWN_STRETCH = 1.0
# Largest mean difference of depths, in sizes of the object, that small weights may make.
TOLERANCE = 0.01
SOURCE = (
    "trained by scripts/training on drawn shapes and on objects of Debian's sweethome3d-furniture 1.8-1 "
    "(BlendSwap CC-0, BlendSwap CC-BY, KatorLegaz, Reallusion, Scopia), from the weights of "
    "pplcnetv2_imagenet.onnx (Apache-2.0)"
)
LICENCE = "Apache-2.0; trained on meshes under CC0-1.0 and CC-BY-3.0"


class Chosen(nn.Module):
    """What the product uses of the network: depths and log scales (N, 2, S, S) of the hypotheses it takes."""

    def __init__(self, network: PriorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
        """`crop` (N, 6, S, S) and `tangent` (N,) as the network takes them."""
        depths, scales, _, stretches = self.network(crop, tangent)
        is_measured = crop[:, 5].amax(dim=(1, 2))[:, None] > 0
        shares = torch.where(is_measured, crop.new_tensor([MEASURED_SHARES]), crop.new_tensor([MASK_SHARES]))
        shares = shares[:, :, None, None, None]
        factors = torch.where(is_measured, 1.0, torch.exp(OWN_STRETCH * stretches))
        depths = depths * factors[:, :, None, None, None]
        return (depths * shares).sum(dim=1), (scales * shares).sum(dim=1)


def load_network(checkpoint: Path) -> PriorNetwork:
    """The running average of a training, in evaluation mode."""
    state = torch.load(checkpoint, weights_only=True)["average"]
    image = ImageFeatures() if any(name.startswith("image.") for name in state) else None
    network = PriorNetwork(image=image)
    network.load_state_dict(state)
    return network.eval()


def export(network: PriorNetwork, measured: onnx.ModelProto | None = None) -> bytes:
    """The ONNX file of what the product uses of a network in evaluation mode, for one crop.

    With `measured` that model serves crops with measured depth.
    """
    stream = io.BytesIO()
    example = (torch.rand(1, CHANNELS, SIDE, SIDE), torch.tensor([0.25]))
    torch.onnx.export(
        Chosen(network).eval(),
        example,
        stream,
        input_names=["crop", "tangent"],
        output_names=["depths", "scales"],
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load_from_string(stream.getvalue())
    shrink_weights(model)
    onnx.checker.check_model(model)
    if measured is not None:
        model = join_branches(model, measured)
    return bytes(model.SerializeToString())


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/shape_prior.onnx"))
    parser.add_argument("--measured", type=Path, help="the file whose network measured depth keeps")
    options = parser.parse_args()
    network = load_network(options.checkpoint)
    measured = take_branch(onnx.load(options.measured), measured=True) if options.measured else None
    options.out.write_bytes(export(network, measured))
    # a disc of noise with the mask alone
    steps = torch.linspace(-1, 1, SIDE)
    mask = (steps[:, None].square() + steps.square() < FILL**2).float()
    crop, tangent = torch.rand(1, CHANNELS, SIDE, SIDE) * mask, torch.tensor([0.3])
    crop[:, 3], crop[:, 4:] = mask, 0.0
    with torch.no_grad():
        expected = Chosen(network).eval()(crop, tangent)[0].numpy()
    session = onnxruntime.InferenceSession(str(options.out))
    actual = session.run(None, {"crop": crop.numpy(), "tangent": tangent.numpy()})[0]
    difference = float(np.abs(actual - expected)[:, :, mask > 0].mean())
    if difference > TOLERANCE:
        raise SystemExit(f"ONNX Runtime differs from torch by {difference}")
    record(
        options.out,
        source=SOURCE,
        source_sha256=file_sha256(options.checkpoint),
        licence=LICENCE,
        script="scripts/training/export_prior.py",
    )


if __name__ == "__main__":
    main()
