"""Untrusted images and videos: fetched, probed and decoded behind limits, in a process of their own."""
