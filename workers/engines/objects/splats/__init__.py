"""Gaussian splats of objects: initialised as surfels on a mesh, refined on posed views."""
