"""ZIP archives that are equal for equal contents, with member names that every system can unpack."""

import io
import zipfile
from collections.abc import Iterable

from maquette.names import UniqueNames, split_suffix

# the earliest time that a ZIP can hold
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3


def write_zip(files: Iterable[tuple[str, bytes | str]], *, compressed: bool = False) -> bytes:
    """Return an archive of one folder; a name that is unsafe, or taken by another file, is changed."""
    out = io.BytesIO()
    names = UniqueNames()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(names.add(*split_suffix(name)), ZIP_TIME)
            entry.create_system = UNIX
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED)
    return out.getvalue()
