"""Track jobs: a video and prompts to objects with stable ids.

Reads one video, forwards, backwards or both ways. Calls the concept engine's tracker. Writes masks as JSON
Lines in chunks of 48 frames, and on request an overlay video, images of ids, and YouTube-VIS JSON.
"""

from workers.jobs.track.job import run

__all__ = ["run"]
