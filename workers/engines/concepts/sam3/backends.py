"""Which code runs SAM 3: transformers, or Meta's own package."""

import os

from workers.engines.protocols import ConceptEngine

BACKEND_ENV = "MAQUETTE_SAM3_BACKEND"


def concepts() -> ConceptEngine:
    """The concept engine of the backend that MAQUETTE_SAM3_BACKEND names: "transformers" (default) or "meta".

    Raises ValueError for another name, and what the backend raises when it cannot be loaded.
    """
    backend = (os.environ.get(BACKEND_ENV) or "transformers").strip().lower()
    if backend == "transformers":
        from workers.engines.concepts.sam3.engine import Sam3Concepts

        return Sam3Concepts()
    if backend == "meta":
        from workers.engines.concepts.sam3.meta_engine import MetaConcepts

        return MetaConcepts()
    raise ValueError(f"{BACKEND_ENV} is {backend!r}; known: transformers, meta")
