"""File formats and extra outputs that jobs can be asked for."""

from typing import Literal

MaskOutput = Literal["polygons", "png", "semantic"]
TrackOutput = Literal["overlay", "png", "ytvis"]
ObjectFormat = Literal[
    "glb", "ply", "spz", "sog", "khr_glb", "splat", "ksplat", "html", "obj", "stl", "textured_glb", "usdz"
]
ObjectOutput = Literal["placed", "turntable", "simulation", "pointmap"]
BodyFormat = Literal["glb", "obj", "ply", "bvh", "npz", "json"]
SceneFormat = Literal["glb", "ply", "spz", "sog", "khr_glb", "splat", "ksplat", "html"]
AssetFormat = Literal["glb", "ply", "spz", "sog", "khr_glb", "splat", "ksplat", "html", "obj", "stl", "usdz"]
AssetPart = Literal[
    "gaussians",
    "harmonics",
    "meshes",
    "lines",
    "points",
    "curves",
    "nodes",
    "instances",
    "skins",
    "morphs",
    "animations",
    "colors",
    "face_colors",
    "materials",
    "textures",
    "transparency",
]
"""What a conversion may leave out."""
