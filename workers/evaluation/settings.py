"""Settings of benchmarks: frozen dataclasses whose defaults are those of the papers."""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from workers.evaluation.errors import SettingError


def change_settings(settings: Any, changes: Sequence[str]) -> Any:
    """Settings with values given as `name=value`; raises SettingError."""
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    changed: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if name not in known or not equals:
            raise SettingError(f"{change!r} is not NAME=VALUE with one of {', '.join(sorted(known))}")
        changed[name] = _parse_value(name, text, known[name])
    return replace(settings, **changed)


def list_changes(settings: Any) -> dict[str, Any]:
    """The settings that differ from the paper's, with the paper's values."""
    standard = asdict(type(settings)())
    return {name: standard[name] for name, value in asdict(settings).items() if value != standard[name]}


def _parse_value(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise SettingError(f"{name} is true or false, not {text!r}")
        return text.lower() == "true"
    try:
        return type(default)(text)
    except ValueError:
        raise SettingError(f"{name} is of type {type(default).__name__}, not {text!r}") from None
