"""The flags of `maquette dataset make`: each is a short cut for one key of the plan.

The command's signature is built from the table below: a flag takes its type, range, default and help from the
plan's schema, and the command's body stays short.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from maquette.cli.options import PHRASE_HELP, field_option
from maquette.cli.parsing import parse_camera
from maquette.contract.base import describe_field
from maquette.dataset_plan import DatasetPlan
from maquette.dataset_plan.errors import PlanError
from maquette.dataset_plan.gate_bounds import read_gate_bounds
from maquette.dataset_plan.reading import merge


def _find_field(key: str) -> tuple[type[BaseModel], str]:
    """Return the table of the plan that a dotted key belongs to, and the key's last part."""
    *tables, name = key.split(".")
    model: type[BaseModel] = DatasetPlan
    for table in tables:
        inner = model.model_fields[table].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        model = inner
    return model, name


def _simplify(field: FieldInfo) -> Any:
    """Return a field's type without its constraints, which the option has."""
    options = [option for option in get_args(field.annotation) if option is not NoneType]
    if not options:
        return field.annotation
    plain = get_args(options[0])[0] if get_origin(options[0]) is Annotated else options[0]
    return plain | None


def split_names(text: str) -> list[str]:
    """Split names joined by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_format_options(texts: Sequence[str]) -> dict[str, dict[str, bool | int | float | str]]:
    """Parse `FORMAT.NAME=VALUE`, each an option of a format; raises BadParameter."""
    options: dict[str, dict[str, bool | int | float | str]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        name, dot, option = key.strip().rpartition(".")
        if not (separator and dot):
            raise typer.BadParameter(f"{text!r} is not FORMAT.NAME=VALUE, as in lerobot.side=128")
        options.setdefault(name, {})[option] = _parse_value(value.strip())
    return options


def _parse_value(text: str) -> bool | int | float | str:
    """Return a number or a truth value as such, as a plan has it."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_gates(texts: list[str]) -> dict[str, Any]:
    """Parse bounds as `flicker.high=0.2`; a gate without a bound has an empty table."""
    try:
        bounds = read_gate_bounds(texts)
    except PlanError as error:
        raise typer.BadParameter(str(error)) from error
    return {name: bound.model_dump(exclude_none=True) for name, bound in bounds.items()}


def parse_splits(text: str) -> dict[str, float]:
    """Parse the shares of train, val and test, joined by commas."""
    try:
        train, val, test = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not three shares, as 0.8,0.1,0.1") from error
    return {"train": train, "val": val, "test": test}


@dataclass(frozen=True, slots=True)
class PlanFlag:
    """A flag, and the dotted key of the plan that it sets.

    `flags` are its spellings where they differ from the key's last part; `type` and `parse` serve keys whose
    type is not a simple one.
    """

    key: str
    flags: tuple[str, ...] = ()
    type: Any = None
    parse: Callable[[Any], Any] | None = None
    help: str | None = None

    @property
    def name(self) -> str:
        """The parameter's name."""
        return self.key.replace(".", "_")

    def to_parameter(self) -> inspect.Parameter:
        """Return the parameter of a command."""
        model, name = _find_field(self.key)
        field = model.model_fields[name]
        flags = self.flags or (f"--{name.replace('_', '-')}",)
        option = field_option(model, name, *flags, help=self.help)
        kind: Any = self.type or _simplify(field)
        default = inspect.Parameter.empty if field.is_required() else field.get_default()
        if self.type is not None and not field.is_required():
            default = None
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )


PLAN_FLAGS = (
    PlanFlag("text", ("--text", "-t"), list[str], help=PHRASE_HELP),
    PlanFlag("threshold"),
    PlanFlag("clip_seconds"),
    PlanFlag("min_clip_seconds"),
    PlanFlag("trim_seconds"),
    PlanFlag("size"),
    PlanFlag("frame_rate"),
    PlanFlag("input.numbered_rate"),
    PlanFlag("assets"),
    PlanFlag("changes"),
    PlanFlag("captioner"),
    PlanFlag("inverse_dynamics"),
    PlanFlag("max_seconds"),
    PlanFlag("max_gpu_seconds"),
    PlanFlag("max_dollars"),
    PlanFlag("input.remote", ("--remote",)),
    PlanFlag("publish"),
    PlanFlag("input.sources_file", ("--sources",), Path),
    PlanFlag("input.depth", type=Path | None),
    PlanFlag("input.source.licence"),
    PlanFlag("input.source.consent"),
    PlanFlag("input.source.session"),
    PlanFlag(
        "input.source.camera", type=str | None, parse=parse_camera, help="Intrinsics fx,fy,cx,cy in pixels."
    ),
    PlanFlag(
        "gates",
        ("--gate",),
        list[str] | None,
        parse=parse_gates,
        help="Bound of a gate, as flicker.high=0.2; 'none' is no bound. Repeatable.",
    ),
    PlanFlag("splits", type=str | None, parse=parse_splits, help="Shares of train,val,test, as 0.8,0.1,0.1."),
    PlanFlag("group_by_name", ("--group-by-name/--no-group-by-name",)),
    PlanFlag("reuse", ("--reuse/--no-reuse",)),
    PlanFlag("strict"),
    PlanFlag("seed"),
    PlanFlag("engine"),
    PlanFlag("timeout_seconds", ("--timeout",)),
    PlanFlag(
        "output.formats",
        ("--format", "-f"),
        str | None,
        parse=split_names,
        help="Formats to export to, joined by commas; needs --out and the package maquette-server.",
    ),
    PlanFlag(
        "output.options",
        ("--format-option",),
        list[str] | None,
        parse=parse_format_options,
        help="FORMAT.NAME=VALUE, an option of a format (repeat it for several).",
    ),
    PlanFlag("output.folder", ("--out", "-o"), Path | None),
)
Videos = Annotated[list[str], typer.Argument(help=describe_field(*_find_field("input.videos")))]


def with_plan_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Replace `**flags` in a command's signature with the argument `videos` and the flags of the table."""
    signature = inspect.signature(command)
    context, *options = (
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    )
    videos = inspect.Parameter("videos", inspect.Parameter.KEYWORD_ONLY, annotation=Videos)
    flags = [flag.to_parameter() for flag in PLAN_FLAGS]
    # required parameters come first, as Python wants them
    command.__signature__ = signature.replace(parameters=[context, videos, *flags, *options])  # type: ignore[attr-defined]
    return command


def read_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a plan from the values of the flags; those that are not given are left out."""
    plan: dict[str, Any] = {"input": {"videos": values["videos"]}}
    for flag in PLAN_FLAGS:
        value = values[flag.name]
        if value is not None:
            parsed = flag.parse(value) if flag.parse else value
            plan = merge(plan, _nest(flag.key, parsed))
    return plan


def _nest(key: str, value: Any) -> dict[str, Any]:
    """Return the tables on the way to a dotted key."""
    nested: dict[str, Any] = reduce(lambda inner, part: {part: inner}, reversed(key.split(".")), value)
    return nested
