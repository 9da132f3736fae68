"""Objects jobs: each masked object to a mesh, a splat and a pose.

Reads an image with prompts, the result of a segment job, or with `multiview` a video or the result of a track
job. Calls the concept engine for prompts and the object engine for shapes. Writes a GLB, a PLY splat, a
preview and an overlay per object, and the further formats and outputs that the request names.
"""

from workers.jobs.objects.job import run

__all__ = ["run"]
