"""One module per benchmark: its samples, how an engine is asked, and how its answers are scored."""
