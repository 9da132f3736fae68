"""Which code runs SAM 3: transformers, or Meta's own package."""

from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.protocols import ConceptEngine


def concepts(settings: Sam3Settings | None = None, meta: MetaSettings | None = None) -> ConceptEngine:
    """The concept engine of the chosen backend, on a GPU warm; settings come from the environment by default.

    Raises ValueError for an unknown backend, and what the backend raises when it cannot be loaded.
    """
    engine = _load(settings or Sam3Settings(), meta)
    if engine.info.device.startswith("cuda"):
        from workers.engines.concepts.sam3.warm_up import warm_up

        warm_up(engine)
    return engine


def _load(settings: Sam3Settings, meta: MetaSettings | None) -> ConceptEngine:
    if settings.backend == "meta":
        from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts

        return MetaConcepts(meta)
    from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts

    return Sam3Concepts(settings)
