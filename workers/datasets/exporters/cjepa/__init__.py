"""C-JEPA: shards of videos and masks, and a pickle of measured slots."""
