"""Incomplete bodies: what the source lacks and the target shows is completed, and what the target lacks is left out.

source of a half body, target of a whole one:  legs that stand (`standing_legs`), a head above the neck   `complete_body`
target of a half body:                         nothing that its footage never showed, and no place in the
                                               frame that would show where its body ends                  `limit_to_footage`
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import MIN_CONFIDENCE, Float64Array, torso_over_time
from dancenow.pose.filtering.local_regression import gaussian
from dancenow.pose.retargeting.joints import Joints
from dancenow.pose.retargeting.standing_legs import standing_legs
from dancenow.pose.visible_extent import PARTS, Extent, VisibleExtent, visible_extent
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import FrameStatus, Pose, PoseTrack

COMPLETED_CONFIDENCE: Final = 0.9
HEAD: Final = {"ear": (0.13, -0.42), "eye": (0.06, -0.5), "nose": (0.0, -0.42)}
"""Offsets of an upright head from the neck, in torso lengths: outward, down."""
SHOWN_PERCENTILE: Final = 25
"""Of how far down the body is shown over the footage: more was seen too rarely to be learned."""
SETTLE_S: Final = 0.1
"""A half body that would rise out of the frame's lower edge is held down, smoothly over this time."""
_NECK: Final = INDEX["neck"]
_HIPS: Final = [INDEX["right_hip"], INDEX["left_hip"]]
_ARMS: Final = [i for n, i in INDEX.items() if n.endswith(("elbow", "wrist", "thumb", "index", "pinky"))]


def complete_body(source: PoseTrack, target: PoseTrack) -> PoseTrack:
    """The source with the parts that the target shows: confidently guessed where they are cut off or covered.

    A part that the source shows at times is interpolated in the other frames. Of a half body, arms and hips that the frame cuts
    off or nearly so are where the detector guesses them. Each shot is completed on its own; the shot itself if nothing is
    missing, or if no frame shows both shoulders.
    """
    return source.by_shot(lambda shot: _completed(shot, target))


def _completed(source: PoseTrack, target: PoseTrack) -> PoseTrack:
    own, shown = visible_extent(source), visible_extent(target)
    wanted = shown.extent
    if own.extent < Extent.FULL:
        source = _without_doubt(source)
    pose, missing = source.pose, _missing(source, shown)
    if not missing.any() or not (pose.confidence[:, _NECK] > 0).any():
        return source
    points = _filled(pose)
    confidence = np.where(missing, np.float32(COMPLETED_CONFIDENCE), pose.confidence)
    if _lacks_head(own, shown):
        _put(points, _upright_head(pose, source.fps), PARTS["head"])
    if own.extent < Extent.WAIST_UP <= wanted:
        _put(points, _hips_below(pose, source.fps), _HIPS)
    if own.extent < wanted and wanted >= Extent.KNEES_UP:
        known = np.where(np.isin(np.arange(NUM_KEYPOINTS), _HIPS), COMPLETED_CONFIDENCE, confidence)
        body = Pose(points[..., :2].astype(np.float32), known.astype(np.float32), points[..., 2].astype(np.float32))
        knees_seen = own.extent >= Extent.KNEES_UP
        legs = standing_legs(body, source.fps, knees_seen=knees_seen)
        _put(points, legs, [*(() if knees_seen else PARTS["knees"]), *PARTS["feet"]])
    xyz = np.where(missing[..., None], points, np.concatenate([pose.xy, pose.depth[..., None]], axis=-1)).astype(np.float32)
    return replace(source, pose=Pose(xyz[..., :2], confidence.astype(np.float32), xyz[..., 2]))


def limit_to_footage(track: PoseTrack, target: PoseTrack) -> PoseTrack:
    """A retargeted track with confidence 0 where the target's footage never shows a part, and a half body held so low that
    the frame cuts it where it cut the footage, or lower. The track itself for a target who is shown as a whole.
    """
    shown = visible_extent(target)
    if not shown.hidden:
        return track
    confidence = track.pose.confidence.copy()
    confidence[:, shown.hidden] = 0
    xy = track.pose.xy.copy()
    if shown.extent < Extent.FULL and target.is_bounded:
        xy[..., 1] += _settled(track, target)[:, None]
    return replace(track, pose=Pose(xy.astype(np.float32), confidence, track.pose.depth))


def _settled(track: PoseTrack, target: PoseTrack) -> Float64Array:
    """How far down [T] px each pose has to move, so that no more of the body is in the frame than the footage shows."""
    there = target.status == FrameStatus.MEASURED
    shown = _shown_below(target.pose, target.fps, target.height_px)[there]
    most = float(np.nanpercentile(shown, SHOWN_PERCENTILE)) if np.isfinite(shown).any() else np.inf
    torso_px = torso_over_time(track.pose, track.fps)
    too_high = (_shown_below(track.pose, track.fps, track.height_px) - most) * torso_px
    down_px = np.maximum(np.nan_to_num(too_high, neginf=0.0, posinf=0.0), 0.0)
    half = max(1, round(SETTLE_S * track.fps))
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(down_px, half, mode="edge"), 2 * half + 1).max(axis=1)
    return gaussian(highest, track.time_s, SETTLE_S / 2)


def _shown_below(pose: Pose, fps: float, height_px: int) -> Float64Array:
    """How far the frame's lower edge is below the hips [T], in torso lengths; NaN where neither hips nor neck are known."""
    torso_px = torso_over_time(pose, fps)
    hips = pose.xy[:, _HIPS].mean(axis=1).astype(np.float64)
    hips_seen = (pose.confidence[:, _HIPS] > 0).all(axis=1)
    neck_seen = pose.confidence[:, _NECK] > 0
    y_px = np.where(hips_seen, hips[:, 1], pose.xy[:, _NECK, 1] + torso_px)
    return np.where(hips_seen | neck_seen, (height_px - y_px) / torso_px, np.nan)


def _missing(source: PoseTrack, shown: VisibleExtent) -> NDArray[np.bool_]:
    """bool [T,K]: keypoints to complete, in frames where somebody is. shown: by the target."""
    missing = (source.pose.confidence == 0) & (source.status != FrameStatus.MISSING)[:, None]
    missing[:, shown.hidden] = False
    return np.asarray(missing)


def _lacks_head(own: VisibleExtent, shown: VisibleExtent) -> bool:
    return shown.shows("head") and not own.shows("head")


def _filled(pose: Pose) -> Float64Array:
    """Points [T,K,3] of all keypoints; missing ones are interpolated over time relative to the joint above."""
    return Joints(pose).filled()[:][0][:, :NUM_KEYPOINTS]


def _without_doubt(source: PoseTrack) -> PoseTrack:
    """A half body with confident arms and hips, which are drawn as surely as the rest, and without knees that are guesses."""
    confidence = source.pose.confidence.copy()
    knees = list(PARTS["knees"])
    confidence[:, knees] = np.where(confidence[:, knees] < MIN_CONFIDENCE, 0, confidence[:, knees])
    sure = [*_ARMS, *_HIPS, *knees]
    confidence[:, sure] = np.where(confidence[:, sure] > 0, np.float32(COMPLETED_CONFIDENCE), 0)
    return replace(source, pose=Pose(source.pose.xy, confidence, source.pose.depth))


def _hips_below(pose: Pose, fps: float) -> Float64Array:
    """Hips [T,K,3] under the neck of a body of which only head and shoulders are known."""
    points, unit = _interpolated(pose, _NECK), torso_over_time(pose, fps)
    hips = np.zeros((*pose.confidence.shape, 3))
    for index, side in zip(_HIPS, (-1, 1), strict=True):
        hips[:, index, :2] = points + np.array([0.18 * side, 1.0]) * unit[:, None]
    return hips


def _upright_head(pose: Pose, fps: float) -> Float64Array:
    """A head [T,K,3] above the neck that looks at the camera."""
    points, unit = _interpolated(pose, _NECK), torso_over_time(pose, fps)
    head = np.zeros((*pose.confidence.shape, 3))
    for index in PARTS["head"]:
        name = next(name for name, number in INDEX.items() if number == index)
        aside, down = HEAD[name.removeprefix("right_").removeprefix("left_")]
        side = -1 if name.startswith("right_") else 1
        head[:, index, :2] = points + np.array([side * aside, down]) * unit[:, None]
    return head


def _interpolated(pose: Pose, index: int) -> Float64Array:
    """Position [T,2] of a keypoint, interpolated where it is missing."""
    known = np.flatnonzero(pose.confidence[:, index] > 0)
    frames = np.arange(len(pose))
    return np.stack([np.interp(frames, known, pose.xy[known, index, axis]) for axis in range(2)], axis=1)


def _put(points: Float64Array, values: Float64Array, indices: Sequence[int]) -> None:
    points[:, list(indices)] = values[:, list(indices)]
