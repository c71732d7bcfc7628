"""Stick figures with exact tracks: a body of a given height on a floor, seen by a level camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import Pose, PoseTrack

# Sideways and upwards from the point on the floor between the feet, as fractions of the nose's height.
STANDING = {
    "nose": (0.0, 1.0), "neck": (0.0, 0.88),
    "right_shoulder": (-0.11, 0.88), "right_elbow": (-0.17, 0.7), "right_wrist": (-0.2, 0.54),
    "left_shoulder": (0.11, 0.88), "left_elbow": (0.17, 0.7), "left_wrist": (0.2, 0.54),
    "right_hip": (-0.06, 0.56), "right_knee": (-0.07, 0.3), "right_ankle": (-0.07, 0.045),
    "left_hip": (0.06, 0.56), "left_knee": (0.07, 0.3), "left_ankle": (0.07, 0.045),
    "right_eye": (-0.02, 1.02), "left_eye": (0.02, 1.02), "right_ear": (-0.045, 1.01), "left_ear": (0.045, 1.01),
    "right_heel": (-0.07, 0.0), "left_heel": (0.07, 0.0), "right_toe": (-0.09, 0.0), "left_toe": (0.09, 0.0),
    "right_thumb": (-0.2, 0.51), "left_thumb": (0.2, 0.51), "right_index": (-0.2, 0.5), "left_index": (0.2, 0.5),
    "right_pinky": (-0.21, 0.5), "left_pinky": (0.21, 0.5),
}  # fmt: skip
UPPER = [INDEX[name] for name, (_, up) in STANDING.items() if up > 0.4]
FEET = [INDEX[f"{side}_{part}"] for side in ("right", "left") for part in ("ankle", "heel", "toe")]
LEGS = [*FEET, INDEX["right_knee"], INDEX["left_knee"]]


@dataclass(frozen=True)
class Camera:
    """Level, at `height_m` above the floor, looking along z; `focal_px` for a frame of width_px x height_px."""

    width_px: int = 640
    height_px: int = 480
    focal_px: float = 700.0
    height_m: float = 1.3


def dance(
    nose_m: float,
    frames: int = 90,
    *,
    camera: Camera = Camera(),
    x_m: float = 0.0,
    z_m: tuple[float, float] = (4.5, 4.5),
    jump_m: float = 0.0,
    fps: float = 30.0,
) -> PoseTrack:
    """Steps and arm swings of a person who walks from z_m[0] to z_m[1] and back, jumping for 0.4 s in the middle."""
    time_s = np.arange(frames) / fps
    share = np.arange(frames) / max(frames - 1, 1)
    z = z_m[0] + (z_m[1] - z_m[0]) * (1 - np.cos(2 * np.pi * share)) / 2
    body = np.array([STANDING[name] for name in INDEX])[None].repeat(frames, 0)
    swing = np.sin(2 * np.pi * time_s)[:, None]
    arms = [INDEX[name] for name in INDEX if any(part in name for part in ("wrist", "thumb", "index", "pinky"))]
    body[:, arms, 1] += 0.25 * (1 + swing)
    left = [INDEX[f"left_{part}"] for part in ("ankle", "heel", "toe")]
    body[:, left, 0] += 0.08 * swing  # one foot is always on the ground
    air = np.clip((time_s - time_s.mean()) / 0.2, -1, 1)
    body[..., 1] += (jump_m / nose_m * (1 - air**2))[:, None]
    floor_x, up = x_m + nose_m * body[..., 0], nose_m * body[..., 1]
    per_m = camera.focal_px / z[:, None]
    xy = np.stack([camera.width_px / 2 + per_m * floor_x, camera.height_px / 2 + per_m * (camera.height_m - up)], axis=-1)
    depth = np.full((frames, NUM_KEYPOINTS), 5.0)
    pose = Pose(xy.astype(np.float32), np.full((frames, NUM_KEYPOINTS), 0.9, np.float32), depth.astype(np.float32))
    return track_of(pose, camera, fps)


def track_of(pose: Pose, camera: Camera, fps: float = 30.0) -> PoseTrack:
    frames = len(pose)
    status = np.zeros(frames, np.uint8)
    return PoseTrack(pose, np.arange(frames) / fps, status, camera.width_px, camera.height_px, "exact", "0" * 64)


def without(track: PoseTrack, keypoints: list[int], rows: slice = slice(None)) -> PoseTrack:
    """The same track with those keypoints missing: confidence 0, and a meaningless position."""
    xy, confidence = track.pose.xy.copy(), track.pose.confidence.copy()
    xy[rows, keypoints], confidence[rows, keypoints] = -1, 0
    pose = Pose(xy, confidence, track.pose.depth)
    return PoseTrack(pose, track.time_s, track.status, track.width_px, track.height_px, "exact", track.source_sha256)


def mean_error(pose: Pose, truth: Pose, keypoints: list[int] | None = None) -> float:
    """Mean distance of all or the given keypoints as a fraction of the true body's height in the frame."""
    tall = np.ptp(truth.xy[..., 1], axis=-1).mean()
    which = slice(None) if keypoints is None else keypoints
    distance: NDArray[np.float32] = np.linalg.norm(pose.xy[:, which] - truth.xy[:, which], axis=-1)
    return float(distance.mean() / tall)
