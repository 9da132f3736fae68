"""Text files as editors on any system save them."""

import codecs
from pathlib import Path

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: Path) -> str:
    r"""Return the text of a file in UTF-8, or in what its byte order mark says; lines end with "\n".

    Raises OSError, MaquetteError for bytes that are not text.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        from maquette.errors import MaquetteError

        raise MaquetteError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file without blank ones and without spaces around them; raises as `read_text`."""
    # a name may hold other characters that str.splitlines takes for the end of a line
    return [line.strip() for line in read_text(path).split("\n") if line.strip()]
