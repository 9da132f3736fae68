"""How many jobs a worker process runs at once, and how they share batches (MAQUETTE_PIPELINE_<NAME>)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from workers.engines.settings import EngineSettings

# batches' worth of jobs in flight on a GPU: one that it computes, one that waits for it, and one that is
# decoded or written meanwhile. With two a processor that is a little late leaves the GPU idle
BATCHES_IN_FLIGHT = 3
# threads, decoder processes and connections to the ledger are one or two per job
MOST_JOBS = 48


class PipelineSettings(EngineSettings):
    """Read by workers: how the jobs of one process share its engine."""

    model_config = SettingsConfigDict(env_prefix="MAQUETTE_PIPELINE_")

    jobs: int | None = Field(default=None, ge=1, le=MOST_JOBS)
    """Jobs that one worker process runs at once; by default three batches of them, 48 at most, where an
    engine on a GPU accepts batches, 1 elsewhere."""
    batch: int = Field(default=8, ge=1, le=256)
    """Most calls of several jobs that the engine gets in one batch."""
    wait_ms: float = Field(default=10.0, ge=0, le=10_000)
    """Milliseconds for which a batch that is not full waits for further jobs, while the engine is idle."""
    memory_mib: int = Field(default=4096, ge=1)
    """Memory in MiB for the decoded images of all jobs of the process; a job beyond it waits."""

    def resolve_jobs(self, *, batches_on_gpu: bool) -> int:
        """Jobs at once, by whether an engine on a GPU accepts batches."""
        return self.jobs or (min(BATCHES_IN_FLIGHT * self.batch, MOST_JOBS) if batches_on_gpu else 1)
