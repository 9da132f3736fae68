"""Tables for notebooks; every text is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from pydantic import BaseModel

# rows of a table in a notebook
MOST_ROWS = 100
PLAIN_TYPES = (str, int, float, bool)


def render_fields(title: str, fields: Mapping[str, object]) -> str:
    """Return a table of names and values; unknown values are left out."""
    rows = [(name, value) for name, value in fields.items() if value not in (None, "", [])]
    return render_table(title, ("", ""), rows)


def render_models(title: str, models: Sequence[BaseModel]) -> str:
    """Return a table with a row per model and a column for each of its plain fields."""
    columns = [name for name in type(models[0]).model_fields if any(_is_plain(m, name) for m in models)]
    rows = [
        [getattr(model, name) if _is_plain(model, name) else None for name in columns] for model in models
    ]
    return render_table(title, columns, rows)


def render_table(title: str, columns: Iterable[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table with a caption; rows beyond the hundredth are counted."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(_format(cell))}</td>' for cell in row)}</tr>" for row in rows[:MOST_ROWS]
    )
    more = f"<p>and {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>{more}"


def _is_plain(model: BaseModel, name: str) -> bool:
    value: Any = getattr(model, name)
    return isinstance(value, PLAIN_TYPES) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


def _format(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
