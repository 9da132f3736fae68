"""One mask of one image to a closed mesh, a splat and a pose.

`reconstruction.py` is the way through: a `MaskView` is fitted by every `ShapeHypothesis`, `select` chooses
among the fits, and the chosen `Surface` is coloured. Thresholds without a source were set on the 24 synthetic
shapes of `bench/objects/shapes.py`; which values else were tried was not recorded.
"""
