"""Gates: scores first, then a versioned policy decides; every decision is kept."""
