"""Whether two stretches of tracks show one object: the default tracker and datasets ask the same model."""
