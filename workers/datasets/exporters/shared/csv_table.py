"""CSV tables that spreadsheets show as they are."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

# what makes a spreadsheet compute a cell (OWASP, "CSV Injection")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def encode_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with the keys of the first row as its head; empty without rows.

    Text that a spreadsheet would take for a formula begins with an apostrophe; numbers stay numbers.
    """
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _quote_text(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _quote_text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # the writer leaves a lone carriage return unquoted, which readers take for the end of a row
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text
