"""Caption engines and inverse-dynamics models of other packages, by entry point."""

from importlib.metadata import EntryPoint, entry_points

from workers.datasets.errors import DatasetError
from workers.datasets.protocols import Captioner, InverseDynamics

CAPTIONS = "maquette.captions"
ACTIONS = "maquette.actions"


def load_captioner(name: str | None) -> Captioner | None:
    """The caption engine of a name, None for None; raises DatasetError `plugin_unknown`."""
    if name is None:
        return None
    captioner: Captioner = _find(CAPTIONS, name).load()()
    return captioner


def load_inverse_dynamics(name: str | None) -> InverseDynamics | None:
    """The inverse-dynamics model of a name, None for None; raises DatasetError `plugin_unknown`."""
    if name is None:
        return None
    model: InverseDynamics = _find(ACTIONS, name).load()()
    return model


def _find(group: str, name: str) -> EntryPoint:
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise DatasetError("plugin_unknown", f"no plug-in of {group!r} is called {name!r}; known: {known}")
    return points[name]
