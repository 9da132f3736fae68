"""Exports the trained shape prior to ONNX, with float16 weights, and writes its line of the manifest.

    build/convert/bin/python -m scripts.training.export_prior build/prior.pt [--out models/shape_prior.onnx]

The graph computes in float32 and casts its weights when it is loaded, so that the file is half as large.
Fails when ONNX Runtime and torch differ by more than what float16 weights explain.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from scripts.models.manifest import file_sha256, record
from scripts.training.prior_network import CHANNELS, PriorNetwork

SIDE = 80
# Shares of the hypotheses with the mask alone and with measured depth, set on the first half of the held-out
# objects.
MASK_SHARES, MEASURED_SHARES = (0.5, 0.0, 0.5, 0.0), (1.0, 0.0, 0.0, 0.0)
# Largest difference of depths, in sizes of the object, that halving the weights may make.
TOLERANCE = 0.01
SOURCE = (
    "trained by scripts/training on drawn shapes and on objects of Debian's sweethome3d-furniture 1.8-1 "
    "(BlendSwap CC-0, BlendSwap CC-BY, KatorLegaz, Reallusion, Scopia)"
)
LICENCE = "Apache-2.0; trained on meshes under CC0-1.0 and CC-BY-3.0"


class Chosen(nn.Module):
    """What the product uses of the network: depths and log scales (N, 2, S, S) of the hypotheses it takes."""

    def __init__(self, network: PriorNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
        """`crop` (N, 6, S, S) and `tangent` (N,) as the network takes them."""
        depths, scales, _, _ = self.network(crop, tangent)
        is_measured = crop[:, 5].amax(dim=(1, 2))[:, None] > 0
        shares = torch.where(is_measured, crop.new_tensor([MEASURED_SHARES]), crop.new_tensor([MASK_SHARES]))
        shares = shares[:, :, None, None, None]
        return (depths * shares).sum(dim=1), (scales * shares).sum(dim=1)


def export(network: PriorNetwork) -> bytes:
    """The ONNX file of what the product uses of a network in evaluation mode, for one crop."""
    stream = io.BytesIO()
    example = (torch.rand(1, CHANNELS, SIDE, SIDE), torch.tensor([0.25]))
    torch.onnx.export(
        Chosen(network).eval(),
        example,
        stream,
        input_names=["crop", "tangent"],
        output_names=["depths", "scales"],
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load_from_string(stream.getvalue())
    _halve_weights(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _halve_weights(model: onnx.ModelProto) -> None:
    """Store weights as float16, and cast them in the graph."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/shape_prior.onnx"))
    options = parser.parse_args()
    network = PriorNetwork()
    network.load_state_dict(torch.load(options.checkpoint, weights_only=True)["average"])
    network.eval()
    options.out.write_bytes(export(network))
    crop, tangent = torch.rand(1, CHANNELS, SIDE, SIDE), torch.tensor([0.3])
    with torch.no_grad():
        expected = Chosen(network).eval()(crop, tangent)[0].numpy()
    session = onnxruntime.InferenceSession(str(options.out))
    actual = session.run(None, {"crop": crop.numpy(), "tangent": tangent.numpy()})[0]
    difference = float(np.abs(actual - expected).max())
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
