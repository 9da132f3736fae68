"""Inputs that a command leaves out: printed at once, counted at the end, and seen in the exit status."""

import typer

from maquette.cli.context import CliContext, print_json
from maquette.console import PlainConsole, styled
from maquette.skipping import SkippedInput, refuse_all, to_skipped

# some inputs were left out, and there are results of the others
SOME_SKIPPED = 3
NONE_LEFT = 1


class SkipList:
    """What was left out of `total` inputs; a single input, or `strict`, leaves out nothing."""

    def __init__(self, cli: CliContext, total: int, *, strict: bool = False) -> None:
        self._cli, self._total, self._strict = cli, total, strict
        self._skipped: list[SkippedInput] = []
        self._console = PlainConsole(stderr=True)

    def refuse(self, name: str, error: Exception) -> None:
        """Leave out an input; raises the error where nothing is to be left out, or it is not the input's."""
        if self._total == 1:
            raise error
        skipped = to_skipped(name, error)
        if self._strict:
            raise refuse_all([skipped]) from error
        self.add(skipped)

    def add(self, skipped: SkippedInput) -> None:
        """Print that an input was left out, and why."""
        self._skipped.append(skipped)
        self._console.print(styled("skipped", "yellow"), f" {skipped}", sep="")

    def finish(self) -> None:
        """Print what was left out together, and end the command with status 3, or 1 where nothing is left."""
        if not self._skipped:
            return
        if self._cli.as_json:
            fields = ("name", "code", "detail")
            print_json({"skipped": [{f: getattr(item, f) for f in fields} for item in self._skipped]})
        else:
            self._console.print(f"{len(self._skipped)} of {self._total} inputs were skipped:")
            for item in self._skipped:
                self._console.print(f"  {item.name}: {item.code}")
        raise typer.Exit(NONE_LEFT if len(self._skipped) == self._total else SOME_SKIPPED)
