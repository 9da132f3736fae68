"""Datasets: clips, frames, tracks and observations as verified shards."""
