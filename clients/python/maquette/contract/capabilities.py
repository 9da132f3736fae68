"""What the engines of Meta's models list in `GET /v1/engines`, connected or not."""

# SAM 3 by either backend
SAM3_SHARED = (
    "phrases",
    "boxes",
    "points",
    "masks",
    "exemplars",
    "video",
    "mask_cleanup",
    "semantic_map",
    "image_batch",
    "video_exemplars",
)
# SAM 3 by transformers: Meta's own package takes none of these
SAM3 = (
    *SAM3_SHARED,
    "cross_image_exemplars",
    "video_exemplar_sets",
    "video_counter_exemplars",
    "video_masks",
)
SAM3D_OBJECTS = (
    "single_view",
    "many_views",
    "depth",
    "mesh",
    "splat",
    "pose",
    "generation",
    "pointmap",
    "ground_plane",
)
# SAM 3D Body, and what its modes add
SAM3D_BODY = ("image", "multi_person", "rig", "masks", "hands", "shape", "lod")
SAM3D_BODY_CONTROLS: dict[str, tuple[str, ...]] = {
    "full": ("body_prompts", "hand_refinement"),
    "body": ("body_prompts",),
    "hands": (),
}
