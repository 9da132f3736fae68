"""SAM 3D Objects: upstream in a process of its own behind the object engines' protocol."""
