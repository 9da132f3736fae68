"""From frames to clips: survey, cuts, dissolves, near-duplicates, and text in images."""
