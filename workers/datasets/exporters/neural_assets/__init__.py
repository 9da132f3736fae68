"""Neural Assets (Wu et al. 2024, arXiv 2406.09292): pairs of frames with tokens, and edits of their objects.

Tokens are those of the released preprocessing: appearance comes from 2D boxes in the source frame, poses are
four corners of the 3D box in the target camera, and the background is the last row.
"""
