"""Groups whose commands are imported when they are used: `--help` needs their names and summaries alone."""

import pkgutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyCommand:
    """A command or group of commands, the line that a list of commands shows, and its place in that list.

    `target` is `module:name` of a function or of a Typer application.
    """

    target: str
    summary: str
    panel: str = "Commands"


class LazyGroup(TyperGroup):
    """A group of lazy commands; a subclass lists them."""

    lazy_commands: ClassVar[Mapping[str, LazyCommand]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, lazy in self.lazy_commands.items():
            self.add_command(TyperCommand(name, help=lazy.summary, callback=None), name)

    def load_command(self, name: str) -> Any:
        """Import a command, and keep it in place of its summary; None for an unknown name."""
        lazy = self.lazy_commands.get(name)
        if lazy is not None:
            self.add_command(build_command(name, pkgutil.resolve_name(lazy.target)), name)
        return self.commands.get(name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that the first argument names."""
        if args:
            self.load_command(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with their summaries, panel by panel."""
        panels: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        # names in all panels are padded alike
        width = max(map(len, self.lazy_commands), default=0)
        for name, lazy in self.lazy_commands.items():
            panels[lazy.panel].append((name.ljust(width), lazy.summary))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def build_command(name: str, target: Any) -> Any:
    """Return the click command of a function or of a Typer application."""
    app = plain_typer(add_completion=False)
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name)
    else:
        app.command(name)(target)
        # a second command keeps this one below a group, as an application's commands are
        app.command("unused", hidden=True)(lambda: None)
    group: Any = typer.main.get_command(app)
    return group.commands[name]


def plain_typer(**attributes: Any) -> typer.Typer:
    """Return an application whose help is plain text: rich takes longer to import than all the rest."""
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, **attributes)


def find_entry_points(group: str) -> dict[str, str]:
    """Return the target of every entry point of a group, by name; nothing is imported."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=group)}
