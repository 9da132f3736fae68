"""`make demo`: the main job on real photos, from two commands to files a person can open."""
