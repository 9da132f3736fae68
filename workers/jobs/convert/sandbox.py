"""The parent's side of conversions: files of users are read and written in a child with limited memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maquette.contract import AssetFormat, AssetPart

from media.limits import MediaLimits
from media.sandbox import Sandbox

# What a conversion may take beside its code: a GLB takes six times its file, an SPZ 16 times, and a SOG with
# harmonics of degree 3, which has 15 bytes per Gaussian, 72 times (a million Gaussians, written as PLY). Five
# million Gaussians of any format fit, as does every mesh of 256 MiB.
MEMORY_SLACK = 1 << 30
MEMORY_PER_BYTE = 80
MAX_MEMORY = 8 << 30
# Longest reading or writing of one file; five million Gaussians take a minute as SOG.
CONVERT_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedFile:
    """A written file, the files that it names by name with their media types, and what was left out."""

    data: bytes
    dropped: Mapping[AssetPart, int]
    side_files: Mapping[str, tuple[str, bytes]]


class ConversionSandbox(Sandbox):
    """Converts one asset; every method raises MediaError with the code that the job fails with."""

    # not in workers.jobs, which imports every job
    module = "workers.conversion_child"

    def __init__(self, file_bytes: int) -> None:
        memory = min(MEMORY_SLACK + MEMORY_PER_BYTE * file_bytes, MAX_MEMORY)
        super().__init__(MediaLimits(memory_bytes=memory))

    def load(self, path: Path, formats: Sequence[str]) -> tuple[Literal["splat", "mesh"], AssetFormat]:
        """Read an asset that shall be written in these formats; returns its kind and its own format."""
        request = {"op": "load", "path": str(path), "formats": list(formats)}
        with self._lock:
            header, _ = self._request(request, CONVERT_SECONDS)
        return header["asset"], header["source"]

    def write(self, target: AssetFormat, *, y_down: bool) -> ConvertedFile:
        """The asset that was loaded last in another format."""
        with self._lock:
            header, payload = self._request(
                {"op": "write", "target": target, "y_down": y_down}, CONVERT_SECONDS
            )
        view = memoryview(payload)
        end = len(view) - sum(size for _, _, size in header["side_files"])
        side_files: dict[str, tuple[str, bytes]] = {}
        start = end
        for name, media_type, size in header["side_files"]:
            side_files[name] = (media_type, bytes(view[start : start + size]))
            start += size
        return ConvertedFile(data=bytes(view[:end]), dropped=header["dropped"], side_files=side_files)
