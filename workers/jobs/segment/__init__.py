"""Segment jobs: an image and prompts to masks.

Reads one image, or one frame of a video. Calls the concept engine. Writes an overlay, and on request a PNG
per mask; the masks themselves are COCO RLE in the manifest.
"""

from workers.jobs.segment.job import run

__all__ = ["run"]
