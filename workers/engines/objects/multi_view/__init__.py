"""Masks of several posed views to a closed mesh, a splat and a pose."""
