"""The engines of this worker, loaded once per process from the suite that its settings name."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import Any

from workers.engines.extras import find_missing
from workers.engines.protocols import BodyEngine, ConceptEngine, EngineInfo, ObjectEngine

log = logging.getLogger(__name__)

# suite -> kind -> "module:factory"; a module is imported only when its suite is loaded.
SUITES: dict[str, dict[str, str]] = {
    "default": {
        "concepts": "workers.engines.concepts.default:DefaultConcepts",
        "objects": "workers.engines.objects.default:DefaultObjects",
        "bodies": "workers.engines.bodies.default:DefaultBodies",
    },
    "sam3": {"concepts": "workers.engines.concepts.sam3.backends:concepts"},
    "sam3d_objects": {"objects": "workers.engines.objects.sam3d.engine:Sam3dObjects"},
    "sam3d_body": {"bodies": "workers.engines.bodies.sam3d.engine:Sam3dBody"},
}


class EngineUnavailable(LookupError):
    """No engine of that kind is loaded in this worker."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"no {kind} engine is loaded here: {reason}")
        self.kind = kind


@dataclass(slots=True)
class EngineSet:
    """The engines of one worker, by kind; `failures` says why a kind is missing."""

    suite: str
    loaded: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def concepts(self) -> ConceptEngine:
        """The concept engine; raises EngineUnavailable."""
        engine: ConceptEngine = self._get("concepts")
        return engine

    def objects(self) -> ObjectEngine:
        """The object engine; raises EngineUnavailable."""
        engine: ObjectEngine = self._get("objects")
        return engine

    def bodies(self) -> BodyEngine:
        """The body engine; raises EngineUnavailable."""
        engine: BodyEngine = self._get("bodies")
        return engine

    def describe_engine(self, kind: str) -> EngineInfo:
        """What the engine of a kind says of itself; raises EngineUnavailable."""
        info: EngineInfo = self._get(kind).info
        return info

    @property
    def on_gpu(self) -> bool:
        """Whether an engine of this worker holds a GPU."""
        # engines of hosts report the card's name
        return any(not engine.info.device.startswith("cpu") for engine in self.loaded.values())

    def describe(self) -> list[dict[str, Any]]:
        """One entry per kind of engine, as `GET /v1/engines` lists them, with what is missing here."""
        entries = []
        for kind in SUITES[self.suite]:
            if kind in self.loaded:
                info: EngineInfo = self.loaded[kind].info
                entries.append(
                    {
                        **asdict(info),
                        "weights": dict(info.weights),
                        "settings": dict(info.settings),
                        "available": True,
                        "missing": find_missing(kind),
                    }
                )
            else:
                entries.append(
                    {"kind": kind, "name": self.suite, "available": False, "why_not": self.failures[kind]}
                )
        return entries

    def _get(self, kind: str) -> Any:
        if kind not in self.loaded:
            raise EngineUnavailable(kind, self.failures.get(kind, "this worker does not serve that kind"))
        return self.loaded[kind]


def load_engines(suite: str, options: Mapping[str, Any] | None = None) -> EngineSet:
    """Import and build every engine of a suite; failures are kept in the result, the others still serve.

    `options` are keyword arguments of the engines; without them, engines read their settings themselves.
    """
    if suite not in SUITES:
        raise ValueError(f"no engine suite is called {suite!r}; known: {', '.join(SUITES)}")
    engines = EngineSet(suite)
    for kind, target in SUITES[suite].items():
        start = time.monotonic()
        try:
            engines.loaded[kind] = _resolve(target)(**(options or {}))
        except Exception as error:
            log.exception("the %s engine of suite %s cannot be loaded", kind, suite)
            engines.failures[kind] = f"{type(error).__name__}: {error}"
            continue
        log.info("loaded %s/%s in %.2f s", suite, kind, time.monotonic() - start)
    return engines


def _resolve(target: str) -> Callable[..., Any]:
    module, name = target.split(":")
    factory: Callable[..., Any] = getattr(import_module(module), name)
    return factory
