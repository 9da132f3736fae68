"""The project's own Python files, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.paths import REPOSITORY

PRODUCT = ("clients/python/maquette", "service", "storage", "media", "workers")
EVERYTHING = (*PRODUCT, "bench", "scripts", "tests")
# copies of other projects' files
VENDORED = ("scripts/models/vendor",)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file: its path below the repository, its number of lines, and all nodes of its syntax tree."""

    path: str
    lines: int
    nodes: tuple[ast.AST, ...]

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    def functions(self) -> Iterator[Function]:
        """All functions and methods, nested ones too."""
        return (node for node in self.nodes if isinstance(node, Function))


@cache
def sources(folders: tuple[str, ...] = EVERYTHING) -> tuple[Source, ...]:
    """The files below some folders, in order of their paths."""
    return tuple(
        _parse(path)
        for folder in folders
        for path in sorted((REPOSITORY / folder).rglob("*.py"))
        if not path.relative_to(REPOSITORY).as_posix().startswith(VENDORED)
    )


@cache
def _parse(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    nodes = tuple(ast.walk(ast.parse(text)))
    return Source(path.relative_to(REPOSITORY).as_posix(), len(text.splitlines()), nodes)
