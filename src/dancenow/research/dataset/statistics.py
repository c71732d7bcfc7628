"""Figures of a person's tracks: how many different poses, from which sides, how well the poses and the face are seen."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.move_classes import MOVES, which_moves
from dancenow.pose.pose_distance import BodyPoses, body_poses, nearest
from dancenow.research.dataset.faces import faces_of
from dancenow.research.dataset.findings import PersonFacts
from dancenow.skeleton import INDEX
from dancenow.subject.coverage import PART_WEIGHTS, UNCOVERED
from dancenow.types import FrameStatus, PoseTrack

STEP_S: Final = 0.2
"""Poses are compared this far apart."""
MOST_POSES: Final = 600
"""Compared of one person, spread over their time, so that large datasets take no longer a person."""
LEAP_PER_S: Final = 6.0
"""Body heights a second: the middle of the trunk never moves so fast in a dance."""
SIDE: Final = 0.5
"""Cosine of the angle to the camera from which a body counts as facing it; within plus and minus this it shows a side."""
_TRUNK: Final = [INDEX[name] for name in ("neck", "right_shoulder", "left_shoulder", "right_hip", "left_hip")]


def person_facts(identity: str, tracks: Sequence[PoseTrack]) -> PersonFacts:
    """The figures of all of a person's tracks.

    Raises:
        UserError: a track never shows shoulders and hips together.
    """
    poses = [_sampled(track) for track in tracks]
    together = _joined(poses)
    together = together[together.present]
    towards = together.facing[:, 1]
    known = np.linalg.norm(together.facing, axis=1) > 0
    shown = np.asarray(which_moves(together).any(axis=0) if len(together) else np.zeros(len(MOVES), np.bool_))
    faces = [faces_of(track) for track in tracks]
    visible = np.concatenate([face.visible for face in faces])
    sides = np.concatenate([(face.box[:, 2:] - face.box[:, :2]).max(axis=1)[face.visible] for face in faces])
    frames = sum(len(track) for track in tracks)
    seconds = sum(len(track) / track.fps for track in tracks)
    return PersonFacts(
        identity=identity,
        clips=len(tracks),
        frames=frames,
        seconds=round(seconds, 3),
        height_px=round(float(np.median([body_statistics(track).height_px for track in tracks])), 1),
        distinct_poses=distinct_poses(together),
        front=_share(towards[known] > SIDE),
        side=_share(np.abs(towards[known]) <= SIDE),
        back=_share(towards[known] < -SIDE),
        moves=_share(shown),
        unseen_moves=tuple(move.name for move, is_shown in zip(MOVES, shown, strict=True) if not is_shown),
        face_visible=_share(visible),
        face_px=round(float(np.median(sides)), 1) if len(sides) else 0.0,
        missing=round(sum(int((track.status == FrameStatus.MISSING).sum()) for track in tracks) / frames, 4),
        jumps=round(60 * sum(_leaps(track) for track in tracks) / seconds, 2),
        cut=round(sum(int(_cut(track).sum()) for track in tracks) / frames, 4),
    )


def distinct_poses(poses: BodyPoses, apart: float = UNCOVERED) -> int:
    """How many of the poses can be chosen so that none is nearer than `apart` body heights to another: the spread in the space
    of poses, by always taking the one that is farthest from all that were taken."""
    if not len(poses):
        return 0
    depth = bool(poses.xyz[..., 2].any())
    parts = tuple(PART_WEIGHTS)
    least, count, at = np.full(len(poses), np.inf), 0, 0
    while least[at] > apart:
        distance, _ = nearest(poses, poses[np.array([at])], parts, depth=depth, neighbours=1)
        whole = np.sqrt(sum(PART_WEIGHTS[part] * row**2 for part, row in zip(parts, distance, strict=True)))
        least = np.minimum(least, whole)
        count, at = count + 1, int(least.argmax())
    return count


def _sampled(track: PoseTrack) -> BodyPoses:
    poses = body_poses(track)
    _, first = np.unique(np.floor(track.time_s / STEP_S + 1e-6), return_index=True)
    return poses[first]


def _joined(poses: Sequence[BodyPoses]) -> BodyPoses:
    """The poses of several tracks after one another, thinned out to `MOST_POSES`."""
    names = ("xyz", "seen", "facing", "lift", "present", "measured")
    whole = BodyPoses(*(np.concatenate([getattr(each, name) for each in poses]) for name in names))
    if len(whole) <= MOST_POSES:
        return whole
    return whole[np.linspace(0, len(whole) - 1, MOST_POSES).round().astype(np.int64)]


def _leaps(track: PoseTrack) -> int:
    """Frames in which the trunk is elsewhere than a body can come to in that time."""
    seen = (track.status != FrameStatus.MISSING)[1:] & (track.status != FrameStatus.MISSING)[:-1]
    moved = np.linalg.norm(np.diff(track.pose.xy[:, _TRUNK].astype(np.float64), axis=0), axis=2)
    speed = np.median(moved, axis=1) / np.diff(track.time_s) / body_statistics(track).height_px
    return int((seen & (speed > LEAP_PER_S)).sum())


def _cut(track: PoseTrack) -> NDArray[np.bool_]:
    """bool [T]: a keypoint that is known lies outside the picture."""
    edge = np.array([track.width_px, track.height_px]) - 0.5
    outside = ((track.pose.xy < -0.5) | (track.pose.xy > edge)).any(axis=2) & (track.pose.confidence > 0)
    return np.asarray(outside.any(axis=1))


def _share(values: NDArray[np.bool_]) -> float:
    return round(float(values.mean()), 4) if len(values) else 0.0
