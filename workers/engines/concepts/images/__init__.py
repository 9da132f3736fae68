"""Still images for the default concept engine: detection, masks, exemplars, colours and names."""
