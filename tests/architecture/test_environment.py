"""Environment variables are read by settings classes, and nowhere else."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import PRODUCT, Source, sources

# the process environment as a whole, and the SDK's settings, which do without pydantic-settings
ALLOWED = {"storage/environment.py", "clients/python/maquette/settings.py"}


def environment_lines(source: Source) -> Iterator[int]:
    """The lines that name `os.environ` or `os.getenv`, or import them."""
    text = source.read()
    # few files are worth a syntax tree
    tree = ast.parse(text if "environ" in text or "getenv" in text else "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {name.name for name in node.names}
        else:
            continue
        if {"environ", "getenv"} & names:
            yield node.lineno


def test_only_settings_classes_read_the_environment() -> None:
    readers = [
        f"{source.path}:{line}"
        for source in sources(PRODUCT)
        if source.path not in ALLOWED
        for line in environment_lines(source)
    ]
    assert readers == []
