"""Names and shapes of what upstream's `process_one_image` gives for each person.

Recorded from four real outputs and from upstream's code. Positions are metres relative to `pred_cam_t` in
OpenCV axes; `pred_global_rots` are in MHR's frame; pixels are of the whole image. `pred_pose_raw` is zeroed
by the mode "full" and is not asked for. The child imports this module, so it imports nothing.
"""

KEYPOINTS, JOINTS, VERTICES = 70, 127, 18439
SHAPES: dict[str, tuple[int, ...]] = {
    "bbox": (4,),
    "pred_keypoints_3d": (KEYPOINTS, 3),
    "pred_keypoints_2d": (KEYPOINTS, 2),
    "pred_vertices": (VERTICES, 3),
    "pred_cam_t": (3,),
    "hand_pose_params": (108,),
    "scale_params": (28,),
    "shape_params": (45,),
    "expr_params": (72,),
    "pred_joint_coords": (JOINTS, 3),
    "pred_global_rots": (JOINTS, 3, 3),
    "mhr_model_params": (204,),
    "focal_length": (),
}
