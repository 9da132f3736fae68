"""Oriented 3D boxes of tracks, from depth, from several cameras or from usual sizes."""
