"""Convert jobs: a splat or a mesh to other file formats.

Reads an upload or an artefact in a child process with limited memory. Calls no engine. Writes one file per
requested format, and the files that an OBJ names.
"""

from workers.jobs.convert.job import run

__all__ = ["run"]
