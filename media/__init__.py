"""Untrusted images and videos: fetched, probed and decoded within limits, in a process of their own."""
