"""SAM 3 by Meta's own package: CUDA only, with SAM 3.1's object multiplex where its checkpoint is set."""
