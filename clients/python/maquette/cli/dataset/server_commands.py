"""Functions of the server's package, which this one finds by entry points."""

import pkgutil
from collections.abc import Callable
from typing import Any

from maquette.cli.lazy_group import LazyCommand, find_entry_points

ENTRY_POINT_GROUP = "maquette.datasets"
PANEL = "Commands over folders (need the package maquette-server)"
SUMMARIES = {
    "verify": "Check hashes, schema, references, masks, boxes, poses and splits; exit with 1 if anything is "
    "wrong.",
    "diff": "Show what changed between two versions; exit with 1 when something did.",
    "append": "Join two datasets into a new version; splits are assigned again so that nothing leaks between "
    "them.",
    "export": "Write the dataset in other formats, each to a folder of its name.",
    "import-movi": "Read clips of MOVi, or clips that were exported as such, into a dataset.",
}
FOLDER_COMMANDS = {
    # the target is known once the entry points are read
    name: LazyCommand(target="", summary=summary, panel=PANEL)
    for name, summary in SUMMARIES.items()
}


def load_server_function(name: str) -> Callable[..., Any]:
    """Load a function of the server's package; raises MaquetteError where it is not installed."""
    target = find_entry_points(ENTRY_POINT_GROUP).get(name)
    if target is None:
        from maquette.errors import MaquetteError

        raise MaquetteError(f"{name!r} needs the package maquette-server")
    function: Callable[..., Any] = pkgutil.resolve_name(target)
    return function
