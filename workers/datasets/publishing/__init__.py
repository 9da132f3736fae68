"""Writing a version so that readers see it complete or not at all."""
