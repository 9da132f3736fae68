"""Dataset jobs: videos to clips, tracks and observations, in Parquet shards with a manifest.

Reads uploads, videos at addresses and buckets. The job itself plans and writes; parts of it, which any
worker takes, fetch and survey videos, run the stages of clips on the concept engine, and make assets on the
object engine. Writes the tables of a dataset and its documents, and on request publishes them to a bucket.
"""

from workers.jobs.dataset.job import run
from workers.jobs.dataset.parts import run_part

__all__ = ["run", "run_part"]
