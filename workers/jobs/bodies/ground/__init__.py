"""The ground under moving people: where it is, which feet stand on it, and that these do not slide."""
