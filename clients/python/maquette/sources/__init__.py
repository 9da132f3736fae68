"""Videos, numbered frames and depth maps on disks and in buckets, made ready for upload."""
