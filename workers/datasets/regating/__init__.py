"""Other bounds over the scores and masks of a finished dataset: a new version without its videos."""
