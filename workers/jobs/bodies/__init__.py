"""Bodies jobs: each person of an image or a video to a rigged body.

Reads an image, a video, or the result of a segment or track job. Calls the concept engine to find or track
people, and the body engine. Writes the requested formats per person, and an overlay.
"""

from workers.jobs.bodies.job import run

__all__ = ["run"]
