"""Jobs that share batches."""
