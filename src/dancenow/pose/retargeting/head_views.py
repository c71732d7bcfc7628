"""Turn heads to views that the footage of the target shows: from others a generator knows neither face nor hair.

Where the dance turns or nods a head further than the footage ever did, the head is turned to the nearest views of the footage,
as far above the neck as it is there, with the size and the tilt that it has in the dance. Views much farther away stay: a front
face does not belong on a back.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_statistics import torso_over_time
from dancenow.pose.filtering.local_regression import blocks, gaussian
from dancenow.pose.retargeting.base import smooth_steps
from dancenow.skeleton import HEAD_KEYPOINTS, HEAD_POINTS, INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack

UNSEEN: Final = (0.06, 0.12)
"""Distance to the nearest view of the footage, in torso lengths, from which a head begins to be turned, and from which it is
turned wholly. A head that faces the camera and one in profile are about 0.37 apart."""
OTHER_SIDE: Final = (0.24, 0.34)
"""Distance up to which a head is turned wholly, and from which on it is not turned."""
_LEAST_WIDTH: Final = 0.03
"""Of the kernel that averages views, in torso lengths."""
_WIDTH: Final = 0.35
"""The same, of the distance to the nearest view: far from all of them, one as good as another must not be chosen in turn."""
_WIDE_EYES: Final = 0.09
"""Distance between the eyes, in torso lengths, at which their line tells the tilt surely; in profile they lie on each other."""
_SMOOTH_S: Final = 0.12
_BLOCK: Final = 256
"""Frames of a dance that are compared with all those of the footage at once."""
_FEW_FRAMES: Final = 5
"""Footage with fewer frames with a known head says nothing about views."""
_NECK: Final = INDEX["neck"]
_Array = NDArray[np.float64]


def turn_heads(track: PoseTrack, footage: PoseTrack, *, in_place: bool = False) -> tuple[PoseTrack, float]:
    """A dance on the target's body with heads turned to views of the target's footage, and how many of its frames are turned
    by more than half of the way, in [0,1]. Both in the footage's reference view. The same video stays as it is. in_place: write
    into the arrays of the dance, which nobody else uses: a copy of an hour takes 36 MB.

    Raises:
        UserError: no frame shows both shoulders.
    """
    if track.source_sha256 == footage.source_sha256:
        return track, 0.0
    if _known(footage).sum() < _FEW_FRAMES:
        return track, 0.0
    seen = _known_heads(footage)
    shares: list[NDArray[np.float64]] = []

    def turn(shot: PoseTrack) -> PoseTrack:
        turned, share = _turn_shot(shot, seen, in_place=in_place)
        shares.append(share)
        return turned

    result = track.by_shot(turn)
    return result, float((np.concatenate(shares) > 0.5).mean())


def _known_heads(footage: PoseTrack) -> "_Heads":
    """The heads of the frames that show them."""
    heads = _HeadTrack.of(footage)[:]
    seen = heads.known
    return _Heads(heads.shape[seen], heads.neck_px[seen], heads.tilt[seen], heads.size_px[seen], seen[seen])


@dataclass(frozen=True, eq=False)
class _Heads:
    """Heads [T] without tilt, in torso lengths. shape: [T,5,3] of `HEAD_POINTS` around the neck, with depth around the head's
    own middle. neck_px: [T,3], with the depth of that middle. tilt: [T] rad. size_px: [T], torso length. known: bool [T]."""

    shape: _Array
    neck_px: _Array
    tilt: _Array
    size_px: _Array
    known: NDArray[np.bool_]

    @property
    def views(self) -> _Array:
        """From where each head is seen, [T,3]: the distance of the ears, and of the nose from their middle, right and down."""
        nose, right, left = (self.shape[:, HEAD_POINTS.index(name), :2] for name in ("nose", "right_ear", "left_ear"))
        return np.column_stack([left[:, 0] - right[:, 0], nose - (left + right) / 2])


@dataclass(frozen=True, eq=False)
class _HeadTrack:
    """The heads of a track, computed for a few frames at a time. tilt, size_px, known: as of `_Heads`, of all frames."""

    track: PoseTrack
    tilt: _Array
    size_px: _Array
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, track: PoseTrack) -> "_HeadTrack":
        size_px, known = torso_over_time(track.pose, track.fps), _known(track)
        turn = np.ones(len(track), np.complex128)
        for rows in blocks(len(track)):
            shape, _ = _around_neck(track.pose[rows], size_px[rows])
            turn[rows] = np.where(known[rows], np.exp(1j * _tilt(shape)), 1.0)
        tilt = np.arctan2(*(gaussian(part, track.time_s, _SMOOTH_S) for part in (turn.imag, turn.real)))
        return cls(track, tilt, size_px, known)

    def __getitem__(self, rows: slice) -> _Heads:
        """Those of some frames."""
        size_px, tilt = self.size_px[rows], self.tilt[rows]
        shape, neck_px = _around_neck(self.track.pose[rows], size_px)
        return _Heads(_rotated(shape, -tilt), neck_px, tilt, size_px, self.known[rows])


def _around_neck(pose: Pose, size_px: _Array) -> tuple[_Array, _Array]:
    """Heads [T,5,3] with their tilt, in torso lengths `size_px` [T], and necks [T,3], as in `_Heads`."""
    points = np.concatenate([pose.xy[:, HEAD_KEYPOINTS], pose.depth[:, HEAD_KEYPOINTS, None]], axis=2).astype(np.float64)
    neck_px = points.mean(axis=1)
    neck_px[:, :2] = pose.xy[:, _NECK]
    return (points - neck_px[:, None]) / size_px[:, None, None], neck_px


def _turn_shot(shot: PoseTrack, seen: _Heads, *, in_place: bool) -> tuple[PoseTrack, _Array]:
    """A shot with turned heads, and how far each was turned, [T] in [0,1]. seen: the known heads of the footage."""
    if not _known(shot).any():
        return shot, np.zeros(len(shot))
    heads, distance = _HeadTrack.of(shot), np.empty(len(shot))
    for rows in blocks(len(shot), _BLOCK):
        distance[rows] = np.sqrt(_squares(heads[rows], seen).min(axis=1))
    share = smooth_steps(distance, *UNSEEN) * (1 - smooth_steps(distance, *OTHER_SIDE)) * heads.known
    share = gaussian(share, shot.time_s, _SMOOTH_S) * heads.known
    if not (share > 0).any():
        return shot, share
    xy, depth = (shot.pose.xy, shot.pose.depth) if in_place else (shot.pose.xy.copy(), shot.pose.depth.copy())
    for rows in blocks(len(shot), _BLOCK):
        if not (share[rows] > 0).any():
            continue
        head, moved = heads[rows], (share[rows] > 0)[:, None]
        turned = head.shape + share[rows, None, None] * (_nearest_shapes(head, seen) - head.shape)
        points = head.neck_px[:, None] + _rotated(turned, head.tilt) * head.size_px[:, None, None]
        xy[rows, HEAD_KEYPOINTS] = np.where(moved[..., None], points[..., :2], xy[rows, HEAD_KEYPOINTS])
        depth[rows, HEAD_KEYPOINTS] = np.where(moved, points[..., 2], depth[rows, HEAD_KEYPOINTS])
    return replace(shot, pose=Pose(xy, shot.pose.confidence, depth)), share


def _squares(heads: _Heads, seen: _Heads) -> _Array:
    """Squared distances of the views of some heads [n] to those of the footage [N]: [n,N]."""
    return np.asarray(np.square(heads.views[:, None] - seen.views[None]).sum(axis=2))


def _nearest_shapes(heads: _Heads, seen: _Heads) -> _Array:
    """Heads as the footage shows them from about the same sides, [n,5,3]."""
    squares = _squares(heads, seen)
    nearest = squares.min(axis=1, keepdims=True)
    width = np.maximum(_LEAST_WIDTH, _WIDTH * np.sqrt(nearest))
    weights = np.exp((nearest - squares) / (2 * width**2))
    return np.asarray(np.einsum("tn,nkc->tkc", weights / weights.sum(axis=1, keepdims=True), seen.shape))


def _known(track: PoseTrack) -> NDArray[np.bool_]:
    """In which frames head and neck are known, bool [T]."""
    seen = (track.pose.confidence[:, [*HEAD_KEYPOINTS, _NECK]] > 0).all(axis=1)
    return np.asarray(seen & (track.status != FrameStatus.MISSING))


def _tilt(shape: _Array) -> _Array:
    """How far heads [T,5,3] around the neck are tilted, [T] rad, clockwise on the screen: as the line of the eyes is, or in
    profile as the way from the neck to the head."""
    middle = shape[..., :2].mean(axis=1)
    lean = np.arctan2(middle[:, 0], -middle[:, 1])
    upright = _rotated(shape, -lean)
    across = upright[:, HEAD_POINTS.index("left_eye"), :2] - upright[:, HEAD_POINTS.index("right_eye"), :2]
    across = across * np.where(across[:, :1] < 0, -1.0, 1.0)  # seen from behind, the left eye is to the left
    is_wide = smooth_steps(np.linalg.norm(across, axis=1) / _WIDE_EYES, 0.3, 1.0)
    return np.asarray(lean + np.arctan2(across[:, 1], across[:, 0]) * is_wide, np.float64)


def _rotated(shape: _Array, angle: _Array) -> _Array:
    """Points [T,5,3], turned in the image by angles [T] rad, clockwise on the screen."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, depth = np.moveaxis(shape, -1, 0)
    return np.stack([cos * x - sin * y, sin * x + cos * y, depth], axis=-1)
