"""Where several people are in each frame of a video: who is close to whom, and where their trunks are."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.filtering.local_regression import gaussian
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, PoseTrack

_MARGIN: Final = 0.1
"""Around the keypoints, as a fraction of their height: bodies are wider than their keypoints."""
_LENGTH_SIGMA_S: Final = 1.0
_HIPS: Final = [INDEX["right_hip"], INDEX["left_hip"]]


def meetings(tracks: Sequence[PoseTrack], margin: float = _MARGIN) -> NDArray[np.bool_]:
    """bool [N,N,T]: which of the people may touch which others. tracks: of equally many frames. margin: around everybody's
    keypoints, as a fraction of their height.
    """
    boxes = np.stack([_boxes(track, margin) for track in tracks])
    low, high = boxes[..., :2], boxes[..., 2:]
    overlap = np.asarray((low[:, None] < high[None]).all(axis=-1))
    meeting = np.asarray(overlap & overlap.swapaxes(0, 1))
    meeting[np.arange(len(tracks)), np.arange(len(tracks))] = False
    return meeting


def _boxes(track: PoseTrack, margin: float) -> NDArray[np.float64]:
    """Left, top, right, bottom around each pose, [T,4]; far away where nobody is."""
    present = (track.pose.confidence > 0)[..., None]
    low = np.where(present, track.pose.xy, np.inf).min(axis=1)
    high = np.where(present, track.pose.xy, -np.inf).max(axis=1)
    somebody = np.isfinite(high).all(axis=1, keepdims=True)
    margin_px = margin * np.where(somebody, high - low, 0)[:, 1:]
    return np.where(somebody, np.concatenate([low - margin_px, high + margin_px], axis=1), np.array([1e9, 1e9, -1e9, -1e9]))


def trunks(track: PoseTrack, is_sure: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Middle and length of a person's trunk in each frame, float64 [T,3] px; None if it is nowhere seen.

    is_sure: bool [T], frames whose lengths count; they change slowly.
    """
    pose, names = track.pose, [INDEX["neck"], *_HIPS]
    seen = (track.status != FrameStatus.MISSING) & (pose.confidence[:, names] > 0).all(axis=1)
    sure = seen & is_sure & (track.status == FrameStatus.MEASURED)
    if not sure.any():
        return None
    neck, hips = pose.xy[:, INDEX["neck"]].astype(np.float64), pose.xy[:, _HIPS].mean(axis=1).astype(np.float64)
    middle, length = (neck + hips) / 2, np.linalg.norm(neck - hips, axis=1)
    frames = np.arange(len(track))
    filled = [np.interp(frames, frames[seen], middle[seen, column]) for column in (0, 1)]
    smooth = gaussian(np.interp(frames, frames[sure], length[sure]), track.time_s, _LENGTH_SIGMA_S)
    return np.stack([*filled, np.maximum(smooth, 1.0)], axis=1)
