"""The skeleton: 28 keypoints, the limbs between them, their mirror pairs and overlay colors.

The first 18 are the OpenPose-COCO keypoints in OpenPose's order (Cao et al., 2017), as in Everybody Dance Now; the next ten
(heels, toes, thumbs, index and little fingers) are also measured by the detector, and carry feet and hands.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

KEYPOINTS: Final = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "right_heel", "left_heel", "right_toe", "left_toe",
    "right_thumb", "left_thumb", "right_index", "left_index", "right_pinky", "left_pinky",
)  # fmt: skip
NUM_KEYPOINTS: Final = len(KEYPOINTS)
NUM_OPENPOSE: Final = 18

INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(KEYPOINTS)}

HEAD_POINTS: Final = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
HEAD_KEYPOINTS: Final = [INDEX[name] for name in HEAD_POINTS]
"""Their indices."""

LIMB_NAMES: Final = (
    ("neck", "right_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("neck", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("neck", "right_hip"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("neck", "nose"), ("nose", "right_eye"), ("right_eye", "right_ear"), ("nose", "left_eye"), ("left_eye", "left_ear"),
    ("right_hip", "left_hip"),
    ("right_ankle", "right_heel"), ("right_heel", "right_toe"), ("left_ankle", "left_heel"), ("left_heel", "left_toe"),
    ("right_wrist", "right_index"), ("right_wrist", "right_thumb"), ("right_wrist", "right_pinky"),
    ("left_wrist", "left_index"), ("left_wrist", "left_thumb"), ("left_wrist", "left_pinky"),
)  # fmt: skip
LIMBS: Final[NDArray[np.int64]] = np.array([[INDEX[a], INDEX[b]] for a, b in LIMB_NAMES])
"""[L,2] keypoint indices of each limb's ends."""


def _mirror_of(name: str) -> str:
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    return name


MIRROR: Final[NDArray[np.int64]] = np.array([INDEX[_mirror_of(name)] for name in KEYPOINTS])
"""[K] index of each keypoint's mirror image: `xy[..., MIRROR, :]` after `x -> width - 1 - x` is the mirrored person."""


def _limb_colors() -> NDArray[np.uint8]:
    """One hue per limb: warm on the person's right, cold on the left, gray in the middle, so that overlays show the side."""
    colors = np.zeros((len(LIMB_NAMES), 3), np.uint8)
    warm, cold, count = (255, 120, 40), (50, 150, 255), [0, 0]
    for i, (_, end) in enumerate(LIMB_NAMES):
        side = 0 if end.startswith("right_") else 1 if end.startswith("left_") else 2
        if side == 2:
            colors[i] = (200, 200, 200)
            continue
        shade = 1.0 - 0.35 * (count[side] % 3) / 2
        colors[i] = [int(c * shade) for c in (warm if side == 0 else cold)]
        count[side] += 1
    return colors


LIMB_COLORS_RGB: Final = _limb_colors()
"""[L,3] uint8 color of each limb in overlays."""
