"""The camera of a clip: what came with the source, a camera that stands still, or structure from motion."""
