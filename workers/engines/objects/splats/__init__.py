"""Gaussian splats of objects: initialised on a surface, refined on views."""
