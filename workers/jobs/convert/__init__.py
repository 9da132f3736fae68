"""Convert jobs: a splat or a mesh to other file formats.

Reads an upload or an artefact. Calls no engine. Writes one file per requested format.
"""

from workers.jobs.convert.job import run

__all__ = ["run"]
