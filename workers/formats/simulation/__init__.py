"""Assets for physics engines: levels of detail, convex parts, mass and inertia, URDF and MJCF."""
