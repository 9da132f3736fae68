"""Masks of several posed views to a closed mesh, a splat and a pose.

`reconstruction.py` is the way through. Thresholds without a source were set on the ten synthetic shapes of
`bench/objects/views.py`; which values else were tried was not recorded.
"""
