"""Assets that physics engines load: levels of detail, convex parts, mass and inertia, URDF and MJCF."""
