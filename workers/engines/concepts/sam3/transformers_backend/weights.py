"""SAM 3's weight files: a local folder or the hub, and their hashes."""

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from workers.engines.concepts.sam3.errors import Sam3Unavailable

FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt"]


def find_weights(source: str, revision: str | None) -> tuple[Path, str]:
    """The folder of the weights and their revision, downloaded from the hub when `source` is no folder.

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
        downloaded = Path(snapshot_download(source, revision=revision, allow_patterns=FILES))
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise Sam3Unavailable(f"the hub does not give {source} to this account") from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise Sam3Unavailable(f"{source} is not in the local cache and the hub cannot be asked") from error
    except (HfHubHTTPError, OSError) as error:
        raise Sam3Unavailable(f"{source} cannot be downloaded ({type(error).__name__})") from error
    return downloaded, downloaded.name


def compute_sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
