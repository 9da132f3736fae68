"""The child that converts: it reads one asset, keeps it, and answers with its files."""

from pathlib import Path
from typing import Any

from media import wire
from media.errors import MediaError
from media.limits import MediaLimits
from media.sandbox_child import serve_requests
from workers.formats.convert import (
    AssetTooLarge,
    ConvertError,
    FormatMismatch,
    LoadedAsset,
    check_targets,
    load_asset,
    write_asset,
)

# OpenUSD writes its package to a temporary file.
MAX_FILE_BYTES = 4 << 30


class Converter:
    """Answers requests to load an asset and to write it."""

    def __init__(self) -> None:
        self._loaded: LoadedAsset | None = None

    def answer(self, outbox: int, request: dict[str, Any], limits: MediaLimits) -> None:
        """Send one answer; raises MediaError with the code that the job fails with."""
        try:
            if request["op"] == "load":
                loaded = self._loaded = load_asset(Path(request["path"]).read_bytes())
                check_targets(loaded.kind, request["formats"])
                wire.send(outbox, {"asset": loaded.kind, "source": loaded.source})
            else:
                self._write(outbox, request)
        except FormatMismatch as error:
            raise MediaError("format_unfit", str(error)) from error
        except ImportError as error:
            raise MediaError("extra_missing", str(error)) from error
        except AssetTooLarge as error:
            raise MediaError("asset_too_large", str(error)) from error
        except ConvertError as error:
            detail = f"{error}: send a file that its own viewer opens"
            raise MediaError("asset_unreadable", detail) from error

    def _write(self, outbox: int, request: dict[str, Any]) -> None:
        if self._loaded is None:
            raise MediaError("decoding_stopped", "the conversion was stopped")
        converted = write_asset(self._loaded, request["target"], y_down=request["y_down"])
        side_files = [(name, kind, data) for name, (kind, data) in converted.side_files.items()]
        header = {
            "dropped": dict(+converted.losses),
            "side_files": [(name, kind, len(data)) for name, kind, data in side_files],
        }
        wire.send(outbox, header, b"".join([converted.data, *(data for _, _, data in side_files)]))


def main() -> None:
    """Convert assets until standard input closes."""
    serve_requests(Converter().answer, file_bytes=MAX_FILE_BYTES)


if __name__ == "__main__":
    main()
