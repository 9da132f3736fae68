"""What arrives: bodies of uploads, received, probed and kept."""
