"""One pose from the poses that several crops of one region gave, where they agree.

A mean is right for small differences only. A crop can exchange a person's left and right leg: then the mean lies between the
two, on neither. So sides are exchanged back first, and what a few crops alone found does not count.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.skeleton import INDEX, MIRROR, NUM_KEYPOINTS
from dancenow.types import Pose

NEAR: Final = 0.03
"""Fraction of the region's side within which two crops agree about a keypoint: several times what they differ by usually."""
_EXCHANGED: Final = 0.5
"""Sides of a crop are exchanged if it is then nearer to the others than this fraction of its distance before."""
_TIE: Final = 0.5
"""So much more the crop that decides counts: less than another crop, but more than confidences usually differ by."""
_SIDES: Final = (
    ("shoulder",),
    ("elbow", "wrist", "thumb", "index", "pinky"),
    ("hip",),
    ("knee", "ankle", "heel", "toe"),
    ("eye", "ear"),
)
"""Keypoints whose sides a detector confuses together."""
_GROUPS: Final = tuple(np.array([INDEX[f"{side}_{name}"] for name in names for side in ("right", "left")]) for names in _SIDES)
"""Their indices, both sides of each."""


def agree(poses: Sequence[Pose], region_px: float) -> Pose:
    """The pose [K] of the largest group of agreeing crops, keypoint by keypoint: their mean.

    poses: [K] each, in px of the frame. region_px: side of the region. The confidence is the mean of theirs times the fraction
    of crops that agree. Where as many crops say one thing as another, all keypoints are those of the same crop.
    """
    if len(poses) == 1:
        return poses[0]
    order, reference = _order_of_sides(poses)
    rows = np.arange(len(poses))[:, None]
    xy, confidence, depth = (
        np.stack([getattr(pose, name) for pose in poses])[rows, order] for name in ("xy", "confidence", "depth")
    )
    near = np.linalg.norm(xy[:, None] - xy[None], axis=-1) <= NEAR * region_px  # [N,N,K]
    support = (near * (confidence * (1 + _TIE * (rows == reference)))[None]).sum(axis=1)
    chosen = np.take_along_axis(near, support.argmax(axis=0)[None, None], axis=0)[0].astype(np.float32)  # [N,K]
    share = chosen / chosen.sum(axis=0)
    return Pose(
        (xy * share[..., None]).sum(axis=0).astype(np.float32),
        (confidence * chosen).mean(axis=0).astype(np.float32),
        (depth * share).sum(axis=0).astype(np.float32),
    )


def _order_of_sides(poses: Sequence[Pose]) -> tuple[NDArray[np.int64], int]:
    """For each crop, [N,K], the index of what it found for each keypoint, with the sides as most crops have them; and the crop
    that decides where they are as many."""
    xy, confidence = (np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence"))
    order = np.tile(np.arange(NUM_KEYPOINTS), (len(poses), 1))
    rows, reference = np.arange(len(poses))[:, None], None
    for group in (np.concatenate(_GROUPS), *_GROUPS):  # a crop may have exchanged all of a body, or only its legs
        now, sure = xy[rows, order], confidence[rows, order][:, group].mean(axis=1)
        kept, exchanged = _distances(now[:, group], now[:, group]), _distances(now[:, group], now[:, MIRROR[group]])
        votes = (kept <= exchanged).sum(axis=1) + 0.5 * sure / max(sure.max(), 1e-6)
        first = int(votes.argmax())
        reference = first if reference is None else reference
        deciding = reference if votes[reference] > votes[first] - 0.5 else first
        for crop in np.flatnonzero(exchanged[deciding] < _EXCHANGED * kept[deciding]):
            order[crop, group] = order[crop, MIRROR[group]]
    assert reference is not None
    return order, reference


def _distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean distance [N,N] of the keypoints of poses [N,K,2] to those of others."""
    return np.asarray(np.linalg.norm(first[:, None] - second[None], axis=-1).mean(axis=-1), np.float64)
