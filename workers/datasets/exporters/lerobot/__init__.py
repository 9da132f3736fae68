"""LeRobot v3.0: episodes in Parquet and MP4, with their metadata and statistics."""
