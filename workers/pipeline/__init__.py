"""Several jobs in one worker process: one thread owns the engine and batches what the jobs ask of it.

The decision is docs/adr/0016-jobs-share-batches-inside-one-worker.md.
"""

from workers.pipeline.admission import Admission
from workers.pipeline.batcher import Batcher, Operation
from workers.pipeline.settings import PipelineSettings
from workers.pipeline.shared_engines import SharedEngines
from workers.pipeline.stats import PipelineStats

__all__ = ["Admission", "Batcher", "Operation", "PipelineSettings", "PipelineStats", "SharedEngines"]
