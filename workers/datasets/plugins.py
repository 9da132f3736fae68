"""Caption engines and inverse-dynamics models that other packages bring, by entry point."""

from importlib.metadata import EntryPoint, entry_points

from workers.datasets.errors import DatasetError
from workers.datasets.protocols import Captioner, InverseDynamics

CAPTIONS = "maquette.captions"
ACTIONS = "maquette.actions"


def load_captioner(name: str | None) -> Captioner | None:
    """The caption engine of a name; None for None. Raises DatasetError `plugin_unknown`."""
    if name is None:
        return None
    made: Captioner = _point(CAPTIONS, name).load()()
    return made


def load_inverse_dynamics(name: str | None) -> InverseDynamics | None:
    """The inverse-dynamics model of a name; None for None. Raises DatasetError `plugin_unknown`."""
    if name is None:
        return None
    made: InverseDynamics = _point(ACTIONS, name).load()()
    return made


def _point(group: str, name: str) -> EntryPoint:
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise DatasetError("plugin_unknown", f"no plug-in of {group!r} is called {name!r}; known: {known}")
    return points[name]
