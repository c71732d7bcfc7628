"""Crop datasets of random noise, created within milliseconds."""

import numpy as np

from dancenow.generators.crop.dataset import CropDataset
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.types import Pose


def a_store(seed: int, canvas_px: int = 64, runs: int = 2, length: int = 3) -> CropDataset:
    """A dataset of a smooth-noise person in a smooth-noise room; its size depends on the seed."""
    rng = np.random.default_rng(seed)
    side, count = canvas_px * 9 // 8, runs * length
    coarse = rng.integers(0, 256, (count, side // 8, side // 8, 4), np.uint8)
    soft = coarse.repeat(8, axis=1).repeat(8, axis=2)
    plate = rng.integers(0, 256, (5 + seed, 6, 4), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    plate[..., 3] = 255
    xy = rng.uniform(0, side, (count, NUM_KEYPOINTS, 2)).astype(np.float32)
    pose = Pose(xy, np.ones(xy.shape[:2], np.float32), rng.normal(0, 5, xy.shape[:2]).astype(np.float32))
    to_stored = np.tile(np.array([[1.5, 0.0, 3.0], [0.0, 1.5, -2.0]]), (count, 1, 1))
    to_frame = np.array([[0.9, 0.0, 0.5], [0.0, 0.9, 0.5]])
    starts = np.arange(runs, dtype=np.int64) * length
    image, mask = np.ascontiguousarray(soft[..., :3]), np.ascontiguousarray(soft[..., 3])
    return CropDataset(image, mask, pose, to_stored, plate, to_frame, starts, length, canvas_px)
