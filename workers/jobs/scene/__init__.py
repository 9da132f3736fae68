"""Scene jobs: the objects and bodies of one image in one camera frame.

Reads one image. Calls the concept, object and body engines. Writes one GLB, one splat, the layout as JSON and
an overlay.
"""

from workers.jobs.scene.job import run

__all__ = ["run"]
