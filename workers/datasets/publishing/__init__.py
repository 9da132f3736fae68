"""Writing a version so that readers see all of it or nothing, and only one writer succeeds."""
