"""A standing body and a swaying track, shared by the pose tests."""

import numpy as np

from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import FrameStatus, Pose, PoseTrack

_STANDING = {
    "nose": (0, -0.42), "neck": (0, -0.3), "eye": (0.02, -0.45), "ear": (0.05, -0.43), "shoulder": (0.12, -0.3),
    "elbow": (0.17, -0.15), "wrist": (0.18, 0.0), "hip": (0.07, 0.0), "knee": (0.08, 0.24), "ankle": (0.08, 0.46),
    "heel": (0.08, 0.49), "toe": (0.1, 0.5), "thumb": (0.17, 0.03), "index": (0.18, 0.05), "pinky": (0.19, 0.04),
}  # fmt: skip


def standing_body(x_px: float, y_px: float, height_px: float) -> Pose:
    """A person who faces the camera, with the hips at (x_px, y_px); the left side is on the right of the image."""
    xy = np.zeros((NUM_KEYPOINTS, 2), np.float32)
    for name, index in INDEX.items():
        dx, dy = _STANDING[name.removeprefix("left_").removeprefix("right_")]
        side = -1 if name.startswith("right_") else 1
        xy[index] = (x_px + side * dx * height_px, y_px + dy * height_px)
    return Pose(xy, np.ones(NUM_KEYPOINTS, np.float32))


def swaying_track(num_frames: int = 90, fps: float = 30.0, noise_px: float = 0.0) -> PoseTrack:
    """A body of 400 px that sways and waves its arms smoothly, twice a second at the fastest, with detector noise."""
    time_s = np.arange(num_frames) / fps
    xy = np.repeat(standing_body(320, 260, 400).xy[None], num_frames, axis=0)
    xy[..., 0] += 40 * np.sin(2 * np.pi * 0.5 * time_s)[:, None]
    for name in ("right_wrist", "left_wrist"):
        xy[:, INDEX[name], 1] -= 90 * (1 - np.cos(2 * np.pi * 2.0 * time_s))
    xy += np.random.default_rng(0).normal(0, noise_px, xy.shape) if noise_px else 0
    pose = Pose(xy.astype(np.float32), np.full(xy.shape[:2], 0.9, np.float32))
    status = np.full(num_frames, FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, time_s, status, 640, 520, "test", "0" * 64)
