"""SAM 3's weights: found, checked, loaded once, and named by their hashes."""

import hashlib
import importlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError

from workers.engines.concepts.sam3 import kernels, roi
from workers.engines.concepts.sam3.errors import Sam3Unavailable
from workers.engines.concepts.sam3.settings import HUB_ID, Sam3Settings
from workers.engines.concepts.sam3.tokenizer import PhraseTokenizer, from_folder
from workers.engines.concepts.sam3.video_model import AlignedSam3Video, pad_geometry
from workers.engines.weights import WeightsCorrupt

FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt"]
DTYPES = {"float32": torch.float32, "fp32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready: eval mode, kernel installed, on its device.

    `revision` is the hub's commit, "local" for a folder; `weights` maps file names to sha256.
    """

    model: Any
    tokenizer: PhraseTokenizer
    source: str
    revision: str
    weights: Mapping[str, str]

    @property
    def device(self) -> Any:
        """The torch device of the weights."""
        return self.model.device

    @property
    def dtype(self) -> Any:
        """The torch dtype of the weights."""
        return self.model.dtype

    @property
    def side(self) -> int:
        """The side in pixels of the square that the model reads."""
        return int(self.model.config.image_size)

    @property
    def fingerprint(self) -> str:
        """A short hash of the weights and the precision; a video snapshot fits no other model."""
        told = f"{sorted(self.weights.items())}{self.dtype}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def load(settings: Sam3Settings) -> Loaded:
    """Load the model of the settings.

    Raises Sam3Unavailable when weights or tokenizer cannot be had, WeightsCorrupt when they do not fit the
    model, KernelMissing when transformers would skip its post-processing, ValueError for a bad setting.
    """
    device, dtype = _placement(settings)
    folder, revision = locate(settings.source, settings.revision)
    weights = {path.name: _sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    try:
        model, report = AlignedSam3Video.from_pretrained(
            str(folder),
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise WeightsCorrupt(f"{folder} cannot be read as SAM 3 video weights: {error}") from error
    if report["missing_keys"] or report.get("mismatched_keys"):
        lost = sorted(map(str, [*report["missing_keys"], *report.get("mismatched_keys", [])]))
        raise WeightsCorrupt(f"{folder} lacks {len(lost)} tensors of SAM 3, the first is {lost[0]}")
    return prepare(model.to(device), from_folder(folder), settings, revision=revision, weights=weights)


def prepare(
    model: Any,
    tokenizer: PhraseTokenizer,
    settings: Sam3Settings,
    *,
    revision: str = "local",
    weights: Mapping[str, str] | None = None,
) -> Loaded:
    """Make a built model ready: kernels installed and proved, eval mode; raises KernelMissing."""
    kernels.install()
    kernels.check()
    roi.install()
    model.eval().requires_grad_(False)
    model.max_num_objects = settings.max_objects
    model.fill_hole_area = settings.fill_area
    if settings.pad_geometry:
        pad_geometry(model)
    return Loaded(model, tokenizer, settings.source, revision, dict(weights or {}))


def locate(source: str, revision: str | None) -> tuple[Path, str]:
    """The folder of the weights and their revision, fetched from the hub when `source` is no folder.

    HF_TOKEN and HF_HUB_OFFLINE act as everywhere. Raises Sam3Unavailable.
    """
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
            raise Sam3Unavailable(f"{folder} holds no config.json with *.safetensors beside it")
        return folder, "local"
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise Sam3Unavailable(f"{source} is neither a folder nor the id of a model on the hub")
    try:
        found = Path(snapshot_download(source, revision=revision, allow_patterns=FILES))
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise Sam3Unavailable(f"the hub does not give {source} to this account") from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise Sam3Unavailable(f"{source} is not in the local cache and the hub cannot be asked") from error
    except (HfHubHTTPError, OSError) as error:
        raise Sam3Unavailable(f"{source} cannot be fetched ({type(error).__name__})") from error
    return found, found.name


def pull(folder: Path, source: str | None = None) -> Mapping[str, str]:
    """Fetch the weights into a folder and give their hashes; raises Sam3Unavailable."""
    found, _ = locate(source or HUB_ID, None)
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for file in sorted(found.iterdir()):
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
            hashes[file.name] = _sha256(folder / file.name)
    return hashes


def click_model(model: Any) -> Any:
    """A `Sam3TrackerModel` made of the video model's own modules; it holds no weight of its own.

    Hand it image embeddings: from pixels it adds its "no memory" embedding to the coarsest map of the neck,
    which it then drops, while the click tracker (and Meta's code) adds it to the map that is used.
    """
    tracker_module = importlib.import_module("transformers.models.sam3_tracker")
    video = model.tracker_model
    config = tracker_module.Sam3TrackerConfig(
        vision_config=video.config.vision_config.to_dict(),
        prompt_encoder_config=video.config.prompt_encoder_config.to_dict(),
        mask_decoder_config=video.config.mask_decoder_config.to_dict(),
    )
    with torch.device("meta"):
        shell = tracker_module.Sam3TrackerModel(config)
    shell.shared_image_embedding = video.shared_image_embedding
    shell.prompt_encoder = video.prompt_encoder
    shell.mask_decoder = video.mask_decoder
    shell.no_memory_embedding = video.no_memory_embedding
    shell.vision_encoder.backbone = model.detector_model.vision_encoder.backbone
    shell.vision_encoder.neck = model.tracker_neck
    return shell.eval()


def _placement(settings: Sam3Settings) -> tuple[Any, Any]:
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    name = settings.dtype
    if name == "auto":
        name = "float32" if device == "cpu" else "bfloat16"
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r} is none of auto, {', '.join(DTYPES)}")
    return torch.device(device), DTYPES[name]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
