"""The BlazePose detector: person candidates in an image, and 33 landmarks with a soft mask for one person.

Follows Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020) and the graphs that MediaPipe
publishes with the two networks; they run here through LiteRT. Several crops can steady the landmarks (`crop_agreement`), and
`bias_correction` removes their systematic errors.
"""

import math
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.detectors import bias_correction
from dancenow.pose.detectors.base import Candidate, Landmarks
from dancenow.pose.detectors.crop_agreement import agree
from dancenow.pose.detectors.crop_averaging import average_masks, offset_regions
from dancenow.pose.detectors.regions import RotatedRect, crop_square, pixels_to_unit, sigmoid
from dancenow.pose.detectors.tflite import Network
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.skeleton import KEYPOINTS
from dancenow.storage import pretrained
from dancenow.types import FloatArray, ImageRGB, Pose, PoseTrack

NAME: Final = "blazepose-full/4"
"""Stored in tracks."""
NUM_LANDMARKS: Final = 33
_DETECTOR_SIZE: Final = 224
_LANDMARK_SIZE: Final = 256
_ROI_MARGIN: Final = 1.25  # MediaPipe's: side of the square over the diameter of the circle around the body

_LANDMARK_OF: Final[dict[str, int]] = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_pinky": 17, "right_pinky": 18, "left_index": 19, "right_index": 20, "left_thumb": 21, "right_thumb": 22,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_heel": 29, "right_heel": 30, "left_toe": 31, "right_toe": 32,
}  # fmt: skip
# OpenPose's neck is the midpoint of the shoulders; every other keypoint is one landmark, averaged with itself.
_FIRST: Final = np.array([_LANDMARK_OF.get(name, _LANDMARK_OF["left_shoulder"]) for name in KEYPOINTS])
_SECOND: Final = np.array([_LANDMARK_OF.get(name, _LANDMARK_OF["right_shoulder"]) for name in KEYPOINTS])


class BlazePose:
    """The `PoseDetector` of MediaPipe: a person detector and a landmark network, loaded at the first image.

    num_crops: crops of a region whose landmarks are combined, 1, 2 or 4, see `crop_averaging` and `crop_agreement`.
    """

    correction_lag_s = bias_correction.LAG_S

    def __init__(
        self, num_threads: int | None = None, on_progress: ProgressCallback = ignore_progress, *, num_crops: int = 1
    ) -> None:
        self.name = NAME if num_crops == 1 else f"blazepose-full-{num_crops}crops/5"
        self._num_crops = num_crops
        self._num_threads = num_threads or min(os.cpu_count() or 1, 4)
        self._on_progress = on_progress
        self._anchors = _anchors()

    @cached_property
    def _detector(self) -> Network:
        return Network(str(pretrained.path("pose_detection", self._on_progress)), self._num_threads)

    @cached_property
    def _landmarks(self) -> Network:
        path = str(pretrained.path("pose_landmark_full", self._on_progress))
        return Network(path, self._num_threads, batch_size=self._num_crops)

    def detect(self, image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:
        """See `PoseDetector.detect`. The network sees the window at 224x224 px.

        It needs a person to fill between a sixth and the whole of the window's height.
        """
        height_px, width_px = image_rgb.shape[:2]
        window = window or RotatedRect((width_px - 1) / 2, (height_px - 1) / 2, max(width_px, height_px), 0.0)
        crop = crop_square(image_rgb, window, _DETECTOR_SIZE)
        boxes, logits = self._detector(crop * np.float32(1 / 127.5) - 1, ("Identity", "Identity_1"))
        score = sigmoid(logits[0, :, 0])
        likely = np.flatnonzero(score > min_score)
        if not len(likely):
            return []
        raw = boxes[0, likely] / np.float32(_DETECTOR_SIZE)
        points = raw[:, 4:].reshape(-1, 4, 2) + self._anchors[likely, None]
        center, size = raw[:, :2] + self._anchors[likely], raw[:, 2:4]
        corners = np.concatenate([center - size / 2, center + size / 2], axis=1)
        merged = _weighted_suppression(corners, points[:, :2], score[likely])
        to_frame = window.to_frame
        found = []
        for hip_and_top, best in merged:
            hip, top = hip_and_top @ to_frame[:, :2].T + to_frame[:, 2]
            found.append(Candidate(_roi_around(hip, top), best))
        return found

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        """See `PoseDetector.landmarks`."""
        regions = offset_regions(roi, self._num_crops)
        crops = np.stack([crop_square(image_rgb, region, _LANDMARK_SIZE) for region in regions])
        names = ("Identity", "Identity_1", "Identity_2", "Identity_3")
        raw, score, mask_logits, heat_logits = self._landmarks.batch(crops * np.float32(1 / 255), names)
        estimates = [
            _in_frame(_refine(each.reshape(39, 5), heat), region)
            for each, heat, region in zip(raw, heat_logits, regions, strict=True)
        ]
        hip, top = np.mean([estimate.xy[NUM_LANDMARKS : NUM_LANDMARKS + 2] for estimate in estimates], axis=0)
        pose = agree([_to_keypoints(each.xy, each.confidence, each.depth) for each in estimates], roi.size_px)
        mask = average_masks(mask_logits[..., 0], regions, roi)
        return Landmarks(pose, float(score.mean()), roi, _roi_around(hip, top), mask)

    def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:
        """See `PoseDetector.correct_bias`."""
        return bias_correction.correct_bias(repaired, measured)


def _anchors() -> FloatArray:
    """[2254,2] centers of the detector's cells in [0,1]: strides 8, 16 and 32 with 2, 2 and 6 boxes a cell."""
    layers = []
    for stride, boxes in ((8, 2), (16, 2), (32, 6)):
        cells = _DETECTOR_SIZE // stride
        y, x = np.mgrid[:cells, :cells]
        centers = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        layers.append(np.repeat(centers, boxes, axis=0))
    return np.concatenate(layers).astype(np.float32)


def _weighted_suppression(corners: FloatArray, points: FloatArray, score: FloatArray) -> list[tuple[FloatArray, float]]:
    """Merge boxes that overlap a better one into it, weighted by score (MediaPipe's weighted non-maximum suppression).

    corners: [N,4] as x0 y0 x1 y1; points: [N,2,2]; returns the merged points [2,2] and the best score, best first.
    """
    merged = []
    left = np.argsort(-score)
    while len(left):
        best = left[0]
        low, high = np.maximum(corners[left, :2], corners[best, :2]), np.minimum(corners[left, 2:], corners[best, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        area = np.clip(corners[:, 2:] - corners[:, :2], 0, None).prod(axis=1)
        same = common / (area[left] + area[best] - common + 1e-9) > 0.3
        same[0] = True
        weight = score[left[same]]
        merged.append((np.average(points[left[same]], axis=0, weights=weight), float(score[best])))
        left = left[~same]
    return merged


def _roi_around(hip: NDArray[np.floating[Any]], top: NDArray[np.floating[Any]]) -> RotatedRect:
    """The square around the circle with its center at the hips through `top`, which lies along the spine."""
    dx, dy = float(top[0] - hip[0]), float(top[1] - hip[1])
    size_px = max(2 * math.hypot(dx, dy) * _ROI_MARGIN, 1.0)
    return RotatedRect(float(hip[0]), float(hip[1]), size_px, math.pi / 2 - math.atan2(-dy, dx))


def _refine(points: FloatArray, heat_logits: FloatArray) -> FloatArray:
    """Move landmarks [N,5] to the local center of mass of their heatmaps [64,64,N], where these are confident.

    MediaPipe's RefineLandmarksFromHeatmap with its settings; on rendered people it removes a third of the error.
    """
    cells = heat_logits.shape[0]
    scale = np.float32(_LANDMARK_SIZE / cells)
    near = np.floor(points[:, :2] / scale).astype(int)[:, :, None] + np.arange(-3, 4)
    inside = (near >= 0) & (near < cells)
    x, y = near.clip(0, cells - 1).transpose(1, 0, 2)
    heat = sigmoid(heat_logits[y[:, :, None], x[:, None, :], np.arange(len(points))[:, None, None]])
    heat *= inside[:, 1, :, None] & inside[:, 0, None, :]
    total = np.maximum(heat.sum(axis=(1, 2)), 1e-9)
    refined = points.copy()
    refined[:, 0] = (heat.sum(axis=1) * x).sum(axis=1) / total * scale
    refined[:, 1] = (heat.sum(axis=2) * y).sum(axis=1) / total * scale
    return np.where(heat.max(axis=(1, 2))[:, None] >= 0.5, refined, points)


@dataclass(frozen=True, eq=False)
class _Estimate:
    """The 39 landmarks of one crop: xy [39,2] and depth [39] in px of the frame, confidence [39]."""

    xy: NDArray[np.float64]
    depth: FloatArray
    confidence: FloatArray


def _in_frame(points: FloatArray, region: RotatedRect) -> _Estimate:
    """Map landmarks [39,5] from the px of a region's crop to the frame."""
    to_frame = region.to_frame @ pixels_to_unit(_LANDMARK_SIZE)
    xy = points[:, :2] @ to_frame[:, :2].T + to_frame[:, 2]
    depth = np.asarray(points[:, 2] * (region.size_px / _LANDMARK_SIZE))
    return _Estimate(xy, depth, sigmoid(points[:, 3]) * sigmoid(points[:, 4]))


def _to_keypoints(xy: NDArray[np.floating[Any]], confidence: FloatArray, depth: FloatArray) -> Pose:
    """Convert 33 (or more) landmarks [N,2] to the 28 keypoints of `skeleton`."""
    return Pose(
        ((xy[_FIRST] + xy[_SECOND]) / 2).astype(np.float32),
        np.minimum(confidence[_FIRST], confidence[_SECOND]).astype(np.float32),
        ((depth[_FIRST] + depth[_SECOND]) / 2).astype(np.float32),
    )
