"""Statistics of a person's tracks: number of distinct poses, orientation, visibility of the face, and tracking errors."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.move_classes import MOVES, which_moves
from dancenow.pose.pose_distance import BodyPoses, body_poses, nearest
from dancenow.research.dataset.faces import face_labels
from dancenow.research.dataset.findings import PersonStatistics
from dancenow.skeleton import INDEX
from dancenow.subject.coverage import PART_WEIGHTS, UNCOVERED_DISTANCE
from dancenow.types import FrameStatus, PoseTrack

SAMPLE_STEP_S: Final = 0.2
"""Time between the poses that are compared."""
MAX_POSES: Final = 600
"""Maximum number of poses compared per person, spread over time, to bound the run time."""
JUMP_PER_S: Final = 6.0
"""Body heights per second: the center of the trunk never moves this fast in a dance."""
SIDE_COSINE: Final = 0.5
"""Cosine of the angle to the camera above which a body counts as frontal; between plus and minus this it is seen from a
side."""
_TRUNK: Final = [INDEX[name] for name in ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")]


def person_statistics(identity: str, tracks: Sequence[PoseTrack]) -> PersonStatistics:
    """Compute the statistics of all tracks of a person.

    Raises:
        UserError: a track never shows shoulders and hips together.
    """
    poses = [_sample(track) for track in tracks]
    all_poses = _concatenate(poses)
    all_poses = all_poses[all_poses.present]
    towards = all_poses.facing[:, 1]
    known = np.linalg.norm(all_poses.facing, axis=1) > 0
    shown = np.asarray(which_moves(all_poses).any(axis=0) if len(all_poses) else np.zeros(len(MOVES), np.bool_))
    faces = [face_labels(track) for track in tracks]
    visible = np.concatenate([face.visible for face in faces])
    sides = np.concatenate([(face.box[:, 2:] - face.box[:, :2]).max(axis=1)[face.visible] for face in faces])
    frames = sum(len(track) for track in tracks)
    seconds = sum(len(track) / track.fps for track in tracks)
    return PersonStatistics(
        identity=identity,
        clips=len(tracks),
        frames=frames,
        seconds=round(seconds, 3),
        height_px=round(float(np.median([body_statistics(track).height_px for track in tracks])), 1),
        distinct_poses=distinct_poses(all_poses),
        front=_fraction(towards[known] > SIDE_COSINE),
        side=_fraction(np.abs(towards[known]) <= SIDE_COSINE),
        back=_fraction(towards[known] < -SIDE_COSINE),
        moves=_fraction(shown),
        unseen_moves=tuple(move.name for move, is_shown in zip(MOVES, shown, strict=True) if not is_shown),
        face_visible=_fraction(visible),
        face_px=round(float(np.median(sides)), 1) if len(sides) else 0.0,
        missing=round(sum(int((track.status == FrameStatus.MISSING).sum()) for track in tracks) / frames, 4),
        jumps=round(60 * sum(_count_jumps(track) for track in tracks) / seconds, 2),
        cut=round(sum(int(_cut_off(track).sum()) for track in tracks) / frames, 4),
    )


def distinct_poses(poses: BodyPoses, apart: float = UNCOVERED_DISTANCE) -> int:
    """Return the size of a set of poses with pairwise distances above `apart` body heights.

    Farthest-point sampling: always take the pose farthest from those taken so far.
    """
    if not len(poses):
        return 0
    depth = bool(poses.xyz[..., 2].any())
    parts = tuple(PART_WEIGHTS)
    least, count, at = np.full(len(poses), np.inf), 0, 0
    while least[at] > apart:
        distance, _ = nearest(poses, poses[np.array([at])], parts, depth=depth, neighbors=1)
        weighted = np.sqrt(sum(PART_WEIGHTS[part] * row**2 for part, row in zip(parts, distance, strict=True)))
        least = np.minimum(least, weighted)
        count, at = count + 1, int(least.argmax())
    return count


def _sample(track: PoseTrack) -> BodyPoses:
    poses = body_poses(track)
    _, first = np.unique(np.floor(track.time_s / SAMPLE_STEP_S + 1e-6), return_index=True)
    return poses[first]


def _concatenate(poses: Sequence[BodyPoses]) -> BodyPoses:
    """Concatenate the poses of several tracks, subsampled to `MAX_POSES`."""
    names = ("xyz", "seen", "facing", "lift", "present", "measured")
    poses_all = BodyPoses(*(np.concatenate([getattr(each, name) for each in poses]) for name in names))
    if len(poses_all) <= MAX_POSES:
        return poses_all
    return poses_all[np.linspace(0, len(poses_all) - 1, MAX_POSES).round().astype(np.int64)]


def _count_jumps(track: PoseTrack) -> int:
    """Count frames in which the trunk moves faster than a body can."""
    seen = (track.status != FrameStatus.MISSING)[1:] & (track.status != FrameStatus.MISSING)[:-1]
    moved = np.linalg.norm(np.diff(track.pose.xy[:, _TRUNK].astype(np.float64), axis=0), axis=2)
    speed = np.median(moved, axis=1) / np.diff(track.time_s) / body_statistics(track).height_px
    return int((seen & (speed > JUMP_PER_S)).sum())


def _cut_off(track: PoseTrack) -> NDArray[np.bool_]:
    """Return bool [T]: whether a known keypoint is outside the image."""
    edge = np.array([track.width_px, track.height_px]) - 0.5
    outside = ((track.pose.xy < -0.5) | (track.pose.xy > edge)).any(axis=2) & (track.pose.confidence > 0)
    return np.asarray(outside.any(axis=1))


def _fraction(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
