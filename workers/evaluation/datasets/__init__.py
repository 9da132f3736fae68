"""Readers of the layouts in which the datasets are published."""
