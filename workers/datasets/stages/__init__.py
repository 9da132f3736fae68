"""Stages of the pipeline: each a function of its inputs, its code version, its parameters and its weights."""
