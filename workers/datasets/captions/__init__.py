"""Captions of clips and tracks, and whether what they state holds."""
