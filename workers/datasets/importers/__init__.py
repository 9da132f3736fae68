"""Datasets in other formats, read into a dataset folder."""
