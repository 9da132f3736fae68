"""Scenes in the manner of MOVi, rendered with exact truth: for `draw_scenes`, tests and benches."""
