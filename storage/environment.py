"""The process environment as a whole: what children inherit, and what is set for libraries.

Single variables are read by settings classes (`storage.settings` and its subclasses). Nothing else in the
server reads or writes the environment, and `tests/test_environment.py` checks that.
"""

import os
from collections.abc import Callable


def inherit(keep: Callable[[str], bool] = lambda name: True) -> dict[str, str]:
    """A copy of the variables whose names pass `keep`, for a child process."""
    return {name: value for name, value in os.environ.items() if keep(name)}


def set_default(name: str, value: str) -> str:
    """Set a variable for this process and its children unless it is set; returns its value."""
    return os.environ.setdefault(name, value)
