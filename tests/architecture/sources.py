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

Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method: its name, and the first line of it and of its body, and the last of both."""

    name: str
    line: int
    body_line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path below the repository, its number of lines, its functions, the lines of its imports.

    Functions and methods are all there, nested ones too. The syntax tree is not kept: a thousand of them slow
    down the garbage collector for every test that follows.
    """

    path: str
    lines: int
    functions: tuple[Function, ...]
    imports: tuple[range, ...]

    @property
    def stem(self) -> str:
        return Path(self.path).stem

    def read(self) -> str:
        return (REPOSITORY / self.path).read_text(encoding="utf-8")


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
    functions, imports = [], []
    for node in _walk_statements(ast.parse(text)):
        if isinstance(node, Import):
            imports.append(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.lineno, node.body[0].lineno, node.end_lineno or node.lineno
            functions.append(Function(node.name, *lines))
    relative = path.relative_to(REPOSITORY).as_posix()
    return Source(relative, len(text.splitlines()), tuple(functions), tuple(imports))


def _walk_statements(module: ast.Module) -> Iterator[ast.stmt]:
    """All statements, nested ones too."""
    nodes: list[ast.AST] = [module]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            children = getattr(node, name, ())
            # the body of a lambda or of a conditional expression is no list
            nodes.extend(children if isinstance(children, list) else ())
