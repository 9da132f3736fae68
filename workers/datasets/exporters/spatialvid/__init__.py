"""SpatialVID (Wang et al. 2025): videos with cameras, object masks, captions and motion instructions."""
