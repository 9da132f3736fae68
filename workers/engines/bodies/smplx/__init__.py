"""SMPL-X from our bodies, with the user's own licensed model file: none is part of this product."""
