"""A face brought to the canonical one, level and of one size; and one person's expression on another's face.

Both rest on a model of a head in space: turned as the head is turned, it says where the points of a canonical face are seen,
so that a head in profile is not taken for a small one.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.face.expression import LIDS, LIPS, expression_of
from dancenow.face.face_model import LANDMARK_MODEL
from dancenow.face.face_track import PARTS, FaceTrack
from dancenow.face.head import HEAD, HEAD_MODEL, MIN_CONFIDENCE
from dancenow.pose.filtering.smoothing import local_parabola
from dancenow.types import FloatArray, Pose

Array = NDArray[np.float64]
CANONICAL_HEAD: Final = 1 / 1.6
"""Height of the head on a canonical canvas, as a share of its side: the margin of `extract.MARGIN`."""
_RIGID: Final = (36, 39, 42, 45, 27, 28, 30, 31, 33, 35)
"""Landmarks that no expression moves far: corners of the eyes, and the nose."""
_MIN_LANDMARKS: Final = 0.4
_SIGMA_S: Final = 0.06
_YAW_WIDTH: Final = 0.2
"""Radians over which frames count as turned alike for the neutral face."""
_FEW: Final = 8
"""Frames, in weight, below which a neutral face of one yaw leans on that of all."""
_TOLD: Final = 0.3
"""Confidence from which an expression is taken over wholly; below it the face stays nearer to rest, instead of trembling."""
_AT_REST: Final = 0.4
"""Share of the frames, those with the mouth most closed, that the face at rest is taken from: somebody may sing throughout."""
_MEETING: Final = (*LIPS, *LIDS["right"], *LIDS["left"])
"""Upper and lower points of lips and lids, which meet and never cross."""
_RATIO: Final = (0.6, 1.7)
_SIDE_PARTS: Final = (("right_eye",), ("left_eye",), ("right_brow",), ("left_brow",), ("outer_lips", "inner_lips"))


def similarity(points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]) -> Array:
    """float64 [2,3]: the similarity that carries points [N,2] nearest to `onto` [N,2] by weighted squares (Umeyama, 1991)."""
    return np.asarray(similarities(points[None], onto[None], weight[None])[0])


def similarities(points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]) -> Array:
    """float64 [T,2,3]: `similarity` for each of T; points and onto [T,N,2], weight [T,N]."""
    turn, shift = _fitted(points, onto, weight)
    return _matrices(turn, shift)


def canonical_transforms(faces: FaceTrack, pose: Pose, size_px: int = 128) -> Array:
    """float64 [T,2,3]: frame px -> px of a canvas with the canonical face, level and of one size, for every frame.

    From the landmarks where they are sure, else from the five head points of the track's pose [T,K]; smooth over time.
    """
    yaw, pitch = faces.expression[:, 6], faces.expression[:, 7]
    middle, scale = (size_px - 1) / 2, CANONICAL_HEAD * size_px
    confidence = pose.confidence[:, HEAD]
    weight = np.where(confidence >= MIN_CONFIDENCE, confidence, 1e-3).astype(np.float64)
    seen = turned(HEAD_MODEL, yaw, pitch) * scale + middle
    turn, shift = _fitted(pose.xy[:, HEAD], seen, weight)
    # Five points that nearly coincide, or a missing pose, say nothing of size and roll: the window does.
    level = faces.to_canvas[:, 0, 0] * (size_px / faces.size_px) * np.exp(-1j * faces.expression[:, 8])
    turn = np.where(np.abs(np.log(np.abs(turn / level).clip(1e-6))) < 0.3, turn, level)
    centre = (faces.size_px - 1) / 2
    at = ((centre - faces.to_canvas[:, :, 2]) / faces.to_canvas[:, 0, 0][:, None]) @ np.array([1, 1j])
    shift = np.where(turn == level, (1 + 1j) * middle - turn * at, shift)
    sure = np.clip(faces.landmark_confidence.astype(np.float64) / _MIN_LANDMARKS - 0.5, 0, 1)
    measured = sure > 0
    if measured.any():
        seen = turned(LANDMARK_MODEL[list(_RIGID)], yaw[measured], pitch[measured]) * scale + middle
        points = faces.landmarks[measured][:, list(_RIGID)]
        by_face, face_shift = _fitted(points, seen, np.ones(points.shape[:2]))
        share = sure[measured]
        mixed = turn[measured] ** (1 - share) * by_face**share
        # Mixed where the head is, or two good answers of different size would put it elsewhere.
        place = at[measured]
        where = (1 - share) * (turn[measured] * place + shift[measured]) + share * (by_face * place + face_shift)
        turn[measured], shift[measured] = mixed, where - mixed * place
    return _smoothed(turn, shift, at, faces.time_s)


def turned(model: Array, yaw: NDArray[np.floating], pitch: NDArray[np.floating]) -> Array:
    """float64 [T,N,2]: points [N,3] of a head as seen when it is turned by yaw [T] and pitch [T], roll 0."""
    x, y, z = model.T[:, None]
    cos, sin = np.cos(pitch.astype(np.float64))[:, None], np.sin(pitch.astype(np.float64))[:, None]
    y, z = y * cos - z * sin, y * sin + z * cos
    cos, sin = np.cos(yaw.astype(np.float64))[:, None], np.sin(yaw.astype(np.float64))[:, None]
    return np.stack([x * cos - z * sin, y + 0 * x], axis=-1)


def normalize_expression(source: FaceTrack, target: FaceTrack, dance: FaceTrack) -> FaceTrack:
    """The faces of the transferred dance: the target's neutral face, moved by the source's expression.

    The neutral face of a person is the median of their landmarks among frames with the mouth at rest and the head turned alike;
    what a source's frame differs from it by, after the rigid points are laid upon each other, is the expression. It is scaled
    part by part to the target's lids, brows and lips.

    Args:
        source: faces of the dancer's video, one row per frame of the dance.
        target: faces of the target's footage, from which their neutral face is taken.
        dance: `face_boxes` of the normalized poses, in the target's frame.

    Returns:
        `dance` with landmarks where the source's are known, their confidence, and the source's expression of mouth, eyes and
        brows carried to the target's neutral one.

    Raises:
        UserError: source and dance differ in length.
    """
    if len(source) != len(dance):
        raise InputError(f"the dance has {len(dance)} frames and the source's faces {len(source)}; both must be of one video.")
    use = (source.landmark_confidence > 0) & (dance.expression_confidence[:, 6] > 0)
    if not use.any():
        return dance
    own, theirs = Neutral.of(source), Neutral.of(target)
    calm = own.at(source.expression[use, 6])
    level = level_landmarks(source)[use]
    laid = similarities(level[:, list(_RIGID)], calm[:, list(_RIGID)], np.ones((len(level), len(_RIGID))))
    moved = np.einsum("tab,tnb->tna", laid[:, :, :2], level) + laid[:, None, :, 2]
    resting = theirs.at(dance.expression[use, 6])
    told = np.clip(source.expression_confidence[use, 0] / _TOLD, 0, 1).astype(np.float64)[:, None, None]
    placed = _uncrossed(resting + told * (moved - calm) * _ratios(calm, resting))
    landmarks = np.zeros_like(dance.landmarks)
    landmarks[use] = _from_level(placed, dance, use)
    confidence = np.where(use, source.landmark_confidence, 0).astype(np.float32)
    expression, sure = dance.expression.copy(), dance.expression_confidence.copy()
    share = np.clip(source.expression_confidence[:, :1] / _TOLD, 0, 1)
    expression[:, :6] = theirs.expression + share * (source.expression[:, :6] - own.expression) * _gain(own, theirs)
    expression[:, :6] = np.where(use[:, None], expression[:, :6].clip(0), 0)
    sure[:, :6] = source.expression_confidence[:, :6] * use[:, None]
    return replace(
        dance, landmarks=landmarks, landmark_confidence=confidence, expression=expression, expression_confidence=sure
    )


class Neutral:
    """A person's face at rest, for any yaw. expression: [6], the median of mouth, eyes and brows."""

    def __init__(self, level: Array, yaw: Array, weight: Array, expression: FloatArray) -> None:
        self._level, self._yaw, self._weight, self.expression = level, yaw, weight, expression

    @classmethod
    def of(cls, faces: FaceTrack) -> "Neutral":
        """Of a track's landmarks; without any, the model's face."""
        used = np.flatnonzero(faces.landmark_confidence > 0)
        if not len(used):
            return cls(np.zeros((0, 68, 2)), np.zeros(0), np.zeros(0), _model_expression())
        used = used[:: max(1, len(used) // 2000)]
        opening = faces.expression[used, 0]
        resting = opening <= np.quantile(opening, _AT_REST)
        weight = faces.landmark_confidence[used].astype(np.float64) * np.where(resting, 1.0, 1e-3)
        expression = np.median(faces.expression[used[resting], :6], axis=0).astype(np.float32)
        return cls(level_landmarks(faces)[used], faces.expression[used, 6].astype(np.float64), weight, expression)

    def at(self, yaw: NDArray[np.floating]) -> Array:
        """float64 [T,68,2] on a level window of side 1 around the head's centre, for heads turned by yaw [T]."""
        steps = np.linspace(-1.5, 1.5, 61)
        table = np.stack([self._one(step) for step in steps])
        place = np.clip((yaw.astype(np.float64) + 1.5) / 0.05, 0, 59.999)
        low, share = place.astype(int), (place % 1)[:, None, None]
        return np.asarray((1 - share) * table[low] + share * table[low + 1])

    def _one(self, yaw: float) -> Array:
        """The weighted median of the faces turned alike; where these are few, the model's turn of the face at hand."""
        model = turned(LANDMARK_MODEL, np.array([yaw]), np.zeros(1))[0] * CANONICAL_HEAD
        if not len(self._yaw):
            return np.asarray(model)
        zero = np.zeros_like(self._yaw)
        as_model = turned(LANDMARK_MODEL, self._yaw, zero) * CANONICAL_HEAD
        near = self._weight * np.exp(-0.5 * ((self._yaw - yaw) / _YAW_WIDTH) ** 2)
        # Every frame's face differs from the model's of its own yaw; that difference hardly depends on the yaw.
        weight = near + 1e-3 * self._weight * (1 if near.sum() >= _FEW else 10)
        return np.asarray(model + _median(self._level - as_model, weight))


def level_landmarks(faces: FaceTrack) -> Array:
    """float64 [T,68,2]: landmarks on the window with its roll taken out, its centre at 0 and its side 1."""
    middle = (faces.size_px - 1) / 2
    canvas = (faces.canvas_landmarks().astype(np.float64) - middle) / faces.size_px
    return _rolled(canvas, -faces.expression[:, 8].astype(np.float64))


def _from_level(level: Array, faces: FaceTrack, use: NDArray[np.bool_]) -> FloatArray:
    canvas = _rolled(level, faces.expression[use, 8].astype(np.float64)) * faces.size_px + (faces.size_px - 1) / 2
    transform = faces.to_canvas[use]
    return np.asarray((canvas - transform[:, None, :, 2]) / transform[:, 0, 0][:, None, None], np.float32)


def _rolled(points: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def _ratios(own: Array, theirs: Array) -> Array:
    """float64 [T,68,2]: by how much a move of one face's parts is larger on the other, across and along the face."""
    ratio = np.ones_like(own)
    for names in _SIDE_PARTS:
        part = np.concatenate([np.arange(68)[PARTS[name]] for name in names])
        size = [np.ptp(face[:, part], axis=1).clip(1e-4) for face in (own, theirs)]
        ratio[:, part] = np.clip(size[1] / size[0], *_RATIO)[:, None]
    return ratio


def _uncrossed(level: Array) -> Array:
    """Lips and lids [T,68,2] that would cross meet halfway."""
    out = level.copy()
    for upper, lower in _MEETING:
        crossed = level[:, lower, 1] < level[:, upper, 1]
        out[crossed, upper, 1] = out[crossed, lower, 1] = (level[crossed, upper, 1] + level[crossed, lower, 1]) / 2
    return out


def _gain(own: Neutral, theirs: Neutral) -> FloatArray:
    """[6]: lids close wholly on either face, so their moves are scaled; the rest is lengths of a face of one size."""
    gain = np.ones(6, np.float32)
    gain[2:4] = np.clip(theirs.expression[2:4] / np.maximum(own.expression[2:4], 1e-3), *_RATIO)
    return gain


def _model_expression() -> FloatArray:
    return np.asarray(expression_of(LANDMARK_MODEL[None].astype(np.float32))[0])


def _median(values: Array, weight: Array) -> Array:
    """The weighted median over the first axis of values [N,...]."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(flat, axis=0)
    total = np.cumsum(weight[order], axis=0)
    index = (total < 0.5 * weight.sum()).sum(axis=0).clip(max=len(values) - 1)
    picked = np.take_along_axis(flat, order, axis=0)[index, np.arange(flat.shape[1])]
    return np.asarray(picked.reshape(values.shape[1:]))


def _fitted(
    points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Turn and scale, and shift, [T] each, as complex numbers: x + iy -> turn (x + iy) + shift."""
    w = weight.astype(np.float64) / weight.sum(axis=1, keepdims=True)
    a, b = points.astype(np.float64) @ np.array([1, 1j]), onto.astype(np.float64) @ np.array([1, 1j])
    mean_a, mean_b = (w * a).sum(axis=1), (w * b).sum(axis=1)
    off_a, off_b = a - mean_a[:, None], b - mean_b[:, None]
    spread = (w * np.abs(off_a) ** 2).sum(axis=1)
    turn = (w * off_b * off_a.conj()).sum(axis=1) / np.maximum(spread, 1e-12)
    return turn, mean_b - turn * mean_a


def _matrices(turn: NDArray[np.complex128], shift: NDArray[np.complex128]) -> Array:
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.moveaxis(np.array(rows), 2, 0)


def _smoothed(turn: NDArray[np.complex128], shift: NDArray[np.complex128], at: NDArray[np.complex128], time_s: Array) -> Array:
    """Smooth in size, roll and the place of the head on the canvas: the frame's own motion is not touched."""
    there = turn * at + shift
    columns = np.stack([np.log(np.abs(turn).clip(1e-9)), np.unwrap(np.angle(turn)), there.real, there.imag], axis=1)
    calm = local_parabola(columns[:, None], np.ones((len(at), 1)), time_s, _SIGMA_S)[:, 0]
    turn = np.exp(calm[:, 0] + 1j * calm[:, 1])
    return _matrices(turn, calm[:, 2] + 1j * calm[:, 3] - turn * at)
