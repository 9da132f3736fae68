"""TAR shards as WebDataset reads them: the files of a sample follow each other and share its key."""

import io
import tarfile
from typing import Annotated

from workers.datasets.exporters.export_writer import ExportWriter
from workers.datasets.exporters.option_limits import Range
from workers.datasets.exporters.part_store import Part

LARGEST_SHARD = 1 << 29
ShardSizeOption = Annotated[int, "bytes after which a new TAR file begins", Range(1, 1e12)]


class TarShardWriter:
    """Writes samples to `<prefix>-000000.tar`, `<prefix>-000001.tar`, ... of about `largest` bytes each."""

    def __init__(self, writer: ExportWriter, prefix: str, largest: int = LARGEST_SHARD) -> None:
        self._writer, self._prefix, self._largest = writer, prefix, largest
        self._tar: tarfile.TarFile | None = None
        self._bytes = self._count = 0

    def __enter__(self) -> "TarShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tar is not None:
            self._tar.close()

    def write(self, key: str, part: Part) -> None:
        """Add a sample of files by their extensions; `key` must not contain a dot."""
        files = {extension: bytes(content) for extension, content in part.items()}
        size = sum(len(content) for content in files.values())
        if self._tar is None or (self._bytes and self._bytes + size > self._largest):
            self._tar = self._open_next()
        for extension, content in files.items():
            info = tarfile.TarInfo(f"{key}.{extension}")
            info.size, info.mode = len(content), 0o644
            self._tar.addfile(info, io.BytesIO(content))
        self._bytes += size

    def _open_next(self) -> tarfile.TarFile:
        if self._tar is not None:
            self._tar.close()
        path = self._writer.new_file(f"{self._prefix}-{self._count:06d}.tar")
        self._count, self._bytes = self._count + 1, 0
        return tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)
