"""Which code runs SAM 3: transformers, or Meta's own package."""

from workers.engines.concepts.sam3.settings import MetaSettings, Sam3Settings
from workers.engines.protocols import ConceptEngine


def concepts(settings: Sam3Settings | None = None, meta: MetaSettings | None = None) -> ConceptEngine:
    """The concept engine of the chosen backend; settings come from the environment by default.

    Raises ValueError for an unknown backend, and what the backend raises when it cannot be loaded.
    """
    settings = settings or Sam3Settings()
    if settings.backend == "meta":
        from workers.engines.concepts.sam3.meta_backend.engine import MetaConcepts

        return MetaConcepts(meta)
    from workers.engines.concepts.sam3.transformers_backend.engine import Sam3Concepts

    return Sam3Concepts(settings)
