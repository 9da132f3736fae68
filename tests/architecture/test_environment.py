"""Environment variables are read by the settings modules, and nowhere else."""

import ast
from collections.abc import Iterator

from tests.architecture.sources import PRODUCT, Source, sources

# these start processes and hand their own environment on; they read no variable by name
PASS_ON = {"service/embedded.py", "workers/engines/host/host.py"}
# readers that have not moved yet: empty when the settings are done
NOT_YET_MOVED = {
    "workers/engines/bodies/mhr/assets.py",
    "workers/engines/concepts/sam3/backends.py",
    "workers/engines/concepts/sam3/meta_loading.py",
    "workers/engines/objects/sam3d/child.py",
    "workers/engines/rasterisers/choice.py",
    "workers/engines/weights.py",
    "workers/jobs/dataset.py",
    "workers/main.py",
}


def environment_lines(source: Source) -> Iterator[int]:
    """The lines that name `os.environ` or `os.getenv`, or import them."""
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            names = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            names = {name.name for name in node.names}
        else:
            continue
        if {"environ", "getenv"} & names:
            yield node.lineno


def test_only_settings_modules_read_the_environment() -> None:
    readers = [
        f"{source.path}:{line}"
        for source in sources(PRODUCT)
        if source.stem != "settings" and source.path not in PASS_ON | NOT_YET_MOVED
        for line in environment_lines(source)
    ]
    assert readers == []
