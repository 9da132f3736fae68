"""The models of exports in requests, generated from the declarations of exporters.

`python -m workers.datasets.exporters.request_models clients/python/maquette/contract/exports.py`
"""

import sys
from pathlib import Path
from textwrap import fill
from typing import Literal, get_args, get_origin

from workers.datasets.exporters import EXPORTERS, load_exporter_class
from workers.datasets.exporters.base import Exporter, OptionSpec

LINE_LENGTH = 110
INTRODUCTION = '''\
"""Formats that a dataset job exports to, with their options.

Generated from `workers/datasets/exporters`:
`python -m workers.datasets.exporters.request_models clients/python/maquette/contract/exports.py`.
"""

from typing import Annotated, Literal

from pydantic import Field

from maquette.contract.base import RequestModel
'''


def render_module() -> str:
    """The module's text."""
    exporters = [load_exporter_class(name) for name in sorted(EXPORTERS)]
    models = "".join(_render_model(exporter) for exporter in exporters)
    names = [f"{exporter.__name__}Export" for exporter in exporters]
    union = "\n    | ".join(names)
    export = f'\n\nExport = Annotated[\n    {union},\n    Field(discriminator="format"),\n]\n'
    return INTRODUCTION + models + export


def _render_model(exporter: type[Exporter]) -> str:
    lines = ["", "", f"class {exporter.__name__}Export(RequestModel):", _quote(f"{exporter.summary}."), ""]
    lines.append(f'    format: Literal["{exporter.name}"]')
    for option in exporter.list_options():
        lines += [f"    {option.name}: {_render_type(option)} = {_render_value(option.default)}"]
        lines += [_quote(f"{option.description[0].upper()}{option.description[1:]}.")]
    return "\n".join(lines) + "\n"


def _render_type(option: OptionSpec) -> str:
    if get_origin(option.kind) is Literal:
        return f"Literal[{', '.join(map(_render_value, get_args(option.kind)))}]"
    name: str = option.kind.__name__
    if option.limits is None:
        return name
    low, high = (option.kind(bound) for bound in (option.limits.low, option.limits.high))
    return f"Annotated[{name}, Field(ge={low!r}, le={high!r})]"


def _render_value(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    return fill(f'"""{text}"""', LINE_LENGTH, initial_indent="    ", subsequent_indent="    ")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render_module())
