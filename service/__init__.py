"""The gateway: takes requests, writes them down, and tells how they go."""
