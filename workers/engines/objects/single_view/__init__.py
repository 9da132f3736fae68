"""One mask of one image to a closed mesh, a splat and a pose."""
