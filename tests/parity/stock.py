"""Single functions of transformers' processors, whose modules cannot be imported without torchvision."""

import __future__

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers


def stock_functions(module: str, *names: str, **given: Any) -> SimpleNamespace:
    """The named functions and methods of a file below `transformers/models`, as they are installed.

    `given` are further globals for them, beside torch. Methods call each other through the namespace itself,
    so that it can stand for `self`.
    """
    path = Path(transformers.__file__).parent / "models" / f"{module}.py"
    wanted: list[ast.stmt] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            node.decorator_list = []
            wanted.append(node)
    space: dict[str, Any] = {"torch": torch, **given}
    code = compile(
        ast.Module(wanted, []),
        str(path),
        "exec",
        flags=__future__.annotations.compiler_flag,
        dont_inherit=True,
    )
    exec(code, space)  # noqa: S102 (installed library code, never input)
    missing = [name for name in names if name not in space]
    assert not missing, f"{path} has no {missing}"
    actual = SimpleNamespace()
    for name in names:
        function = space[name]
        is_method = function.__code__.co_varnames[:1] == ("self",)
        setattr(actual, name, function.__get__(actual) if is_method else function)
    return actual
