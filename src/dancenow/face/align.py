"""Align faces to a canonical frontal face, and transfer one person's expression to another's face.

Both use a 3-D model of a head. Rotated like the observed head, it predicts where the points of a canonical face appear, so that
a head in profile is not mistaken for a small one.
"""

from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.face.expression import LID_PAIRS, LIP_PAIRS, measure_expression
from dancenow.face.face_model import LANDMARK_MODEL
from dancenow.face.face_track import PARTS, FaceTrack, transform_points
from dancenow.face.head import HEAD_MODEL, MIN_CONFIDENCE
from dancenow.pose.filtering.local_regression import blocks, local_parabola
from dancenow.skeleton import HEAD_KEYPOINTS
from dancenow.types import FloatArray, Pose

Array = NDArray[np.float64]
CANONICAL_HEAD_FRACTION: Final = 1 / 1.6
"""Height of the head on a canonical canvas, as a fraction of the canvas side; the inverse of `face_tracking.MARGIN`."""
_RIGID_LANDMARKS: Final = (36, 39, 42, 45, 27, 28, 30, 31, 33, 35)
"""Landmarks that expressions hardly move: corners of the eyes, and the nose."""
_MIN_LANDMARKS: Final = 0.4
_SIGMA_S: Final = 0.06
_YAW_SIGMA_RAD: Final = 0.2
"""Standard deviation in yaw of the frames that contribute to one neutral face."""
_MIN_FRAME_WEIGHT: Final = 8
"""Sum of frame weights below which the neutral face at one yaw also uses frames at every other yaw."""
_FULL_CONFIDENCE: Final = 0.3
"""Confidence from which an expression is transferred fully; below it the face stays closer to neutral, which avoids jitter."""
_REST_FRACTION: Final = 0.4
"""Fraction of frames, those with the mouth most closed, that define the neutral face: a person may sing throughout."""
_TOUCHING_PAIRS: Final = (*LIP_PAIRS, *LID_PAIRS["right"], *LID_PAIRS["left"])
"""Upper and lower points of lips and eyelids, which touch but never cross."""
_SIZE_RATIO_RANGE: Final = (0.6, 1.7)
_ALL: Final = slice(None)
_BLOCK: Final = 1024
"""Frames that get an expression at once."""
_FACE_PARTS: Final = (("right_eye",), ("left_eye",), ("right_brow",), ("left_brow",), ("outer_lips", "inner_lips"))


def fit_similarity(points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]) -> Array:
    """Fit the similarity that maps points [N,2] to `onto` [N,2] with least weighted squares (Umeyama, 1991): float64 [2,3]."""
    return np.asarray(fit_similarities(points[None], onto[None], weight[None])[0])


def fit_similarities(points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]) -> Array:
    """Apply `fit_similarity` to each of T sets: float64 [T,2,3]; points and onto [T,N,2], weight [T,N]."""
    turn, shift = _fit_complex(points, onto, weight)
    return _matrices(turn, shift)


def canonical_transforms(faces: FaceTrack, pose: Pose, size_px: int = 128) -> Array:
    """Estimate the transform to the canonical face in every frame: float64 [T,2,3], frame px -> px of a level, fixed-size
    canvas.

    It uses the landmarks where their confidence is high, else the five head keypoints of the track's pose [T,K], and is smooth
    over time.
    """
    yaw, pitch = faces.expression[:, 6], faces.expression[:, 7]
    middle, scale = (size_px - 1) / 2, CANONICAL_HEAD_FRACTION * size_px
    confidence = pose.confidence[:, HEAD_KEYPOINTS]
    weight = np.where(confidence >= MIN_CONFIDENCE, confidence, 1e-3).astype(np.float64)
    seen = project_rotated(HEAD_MODEL, yaw, pitch) * scale + middle
    turn, shift = _fit_complex(pose.xy[:, HEAD_KEYPOINTS], seen, weight)
    # Five nearly coinciding points, or a missing pose, do not determine size and roll; the face crop does.
    level = faces.to_canvas[:, 0, 0] * (size_px / faces.size_px) * np.exp(-1j * faces.expression[:, 8])
    turn = np.where(np.abs(np.log(np.abs(turn / level).clip(1e-6))) < 0.3, turn, level)
    center = (faces.size_px - 1) / 2
    position = ((center - faces.to_canvas[:, :, 2]) / faces.to_canvas[:, 0, 0][:, None]) @ np.array([1, 1j])
    shift = np.where(turn == level, (1 + 1j) * middle - turn * position, shift)
    reliability = np.clip(faces.landmark_confidence.astype(np.float64) / _MIN_LANDMARKS - 0.5, 0, 1)
    measured = reliability > 0
    if measured.any():
        seen = project_rotated(LANDMARK_MODEL[list(_RIGID_LANDMARKS)], yaw[measured], pitch[measured]) * scale + middle
        points = faces.landmarks[measured][:, list(_RIGID_LANDMARKS)]
        face_turn, face_shift = _fit_complex(points, seen, np.ones(points.shape[:2]))
        weight = reliability[measured]
        blended = turn[measured] ** (1 - weight) * face_turn**weight
        # Interpolate at the head's position: two good fits of different scale would shift it elsewhere.
        place = position[measured]
        where = (1 - weight) * (turn[measured] * place + shift[measured]) + weight * (face_turn * place + face_shift)
        turn[measured], shift[measured] = blended, where - blended * place
    return _smooth_transforms(turn, shift, position, faces.time_s)


def project_rotated(model: Array, yaw: NDArray[np.floating], pitch: NDArray[np.floating]) -> Array:
    """Project head points [N,3] orthographically after a rotation by yaw [T] and pitch [T], roll 0: float64 [T,N,2]."""
    x, y, z = model.T[:, None]
    cos, sin = np.cos(pitch.astype(np.float64))[:, None], np.sin(pitch.astype(np.float64))[:, None]
    y, z = y * cos - z * sin, y * sin + z * cos
    cos, sin = np.cos(yaw.astype(np.float64))[:, None], np.sin(yaw.astype(np.float64))[:, None]
    return np.stack([x * cos - z * sin, y + 0 * x], axis=-1)


def normalize_expression(source: FaceTrack, target: FaceTrack, boxes: FaceTrack) -> FaceTrack:
    """Transfer the source's expression to the target's neutral face.

    A person's neutral face is the median of their landmarks over frames with the mouth at rest and a similar yaw. The
    expression of a source frame is its difference from the source's neutral face after the rigid landmarks are aligned. It is
    scaled to the target's eyelids, brows and lips.

    Args:
        source: faces of the source video, one row per frame.
        target: faces of the target's footage, which define their neutral face.
        boxes: `face_boxes` of the retargeted poses, in the target's frame.

    Returns:
        `boxes` with landmarks where the source has them, their confidence, and the source's expression of mouth, eyes and brows
            relative to the target's neutral face.

    Raises:
        UserError: source and boxes differ in length.
    """
    if len(source) != len(boxes):
        raise InputError(
            f"the poses have {len(boxes)} frames and the source's faces {len(source)}; both must come from one video."
        )
    use = (source.landmark_confidence > 0) & (boxes.expression_confidence[:, 6] > 0)
    if not use.any():
        return boxes
    source_face, target_face = NeutralFace.of(source), NeutralFace.of(target)
    landmarks, used = np.zeros_like(boxes.landmarks), np.flatnonzero(use)
    for block in blocks(len(used), _BLOCK):
        frames = used[block]
        landmarks[frames] = _with_expression(source, source_face, target_face, boxes, frames)
    weight = np.clip(source.expression_confidence[:, :1] / _FULL_CONFIDENCE, 0, 1)
    change = (source.expression[:, :6] - source_face.expression) * _expression_gain(source_face, target_face)
    expression, confidence = boxes.expression.copy(), boxes.expression_confidence.copy()
    expression[:, :6] = np.where(use[:, None], (target_face.expression + weight * change).clip(0), 0)
    confidence[:, :6] = source.expression_confidence[:, :6] * use[:, None]
    return replace(
        boxes,
        landmarks=landmarks,
        landmark_confidence=np.where(use, source.landmark_confidence, 0).astype(np.float32),
        expression=expression,
        expression_confidence=confidence,
    )


def _with_expression(
    source: FaceTrack, source_face: "NeutralFace", target_face: "NeutralFace", boxes: FaceTrack, frames: NDArray[np.int64]
) -> FloatArray:
    """Landmarks [n,68,2] of the target in px of the frame, with the source's expression in some frames [n]."""
    source_neutral = source_face.at(source.expression[frames, 6])
    target_neutral = target_face.at(boxes.expression[frames, 6])
    level = level_landmarks(source, frames)
    rigid = list(_RIGID_LANDMARKS)
    alignment = fit_similarities(level[:, rigid], source_neutral[:, rigid], np.ones((len(level), len(rigid))))
    aligned = np.einsum("tab,tnb->tna", alignment[:, :, :2], level) + alignment[:, None, :, 2]
    offset = (aligned - source_neutral) * _part_size_ratios(source_neutral, target_neutral)
    strength = np.clip(source.expression_confidence[frames, 0] / _FULL_CONFIDENCE, 0, 1).astype(np.float64)[:, None, None]
    return _to_frame(_without_crossing(target_neutral + strength * offset), boxes, frames)


class NeutralFace:
    """A person's neutral face at any yaw. expression: [6], median of mouth, eyes and brows."""

    def __init__(self, level: Array, yaw: Array, weight: Array, expression: FloatArray) -> None:
        self._level, self._yaw, self._weight, self.expression = level, yaw, weight, expression

    @classmethod
    def of(cls, faces: FaceTrack) -> "NeutralFace":
        """Estimate it from a track's landmarks; without landmarks, use the model's face."""
        used = np.flatnonzero(faces.landmark_confidence > 0)
        if not len(used):
            return cls(np.zeros((0, 68, 2)), np.zeros(0), np.zeros(0), _model_expression())
        used = used[:: max(1, len(used) // 2000)]
        opening = faces.expression[used, 0]
        target_neutral = opening <= np.quantile(opening, _REST_FRACTION)
        weight = faces.landmark_confidence[used].astype(np.float64) * np.where(target_neutral, 1.0, 1e-3)
        expression = np.median(faces.expression[used[target_neutral], :6], axis=0).astype(np.float32)
        return cls(level_landmarks(faces, used), faces.expression[used, 6].astype(np.float64), weight, expression)

    def at(self, yaw: NDArray[np.floating]) -> Array:
        """Landmarks for heads at yaw [T]: float64 [T,68,2], on a level crop of side 1 centered on the head."""
        table = self._table
        place = np.clip((yaw.astype(np.float64) + 1.5) / 0.05, 0, 59.999)
        low, weight = place.astype(int), (place % 1)[:, None, None]
        return np.asarray((1 - weight) * table[low] + weight * table[low + 1])

    @cached_property
    def _table(self) -> Array:
        """The faces at 61 yaws, [61,68,2]."""
        return np.stack([self._one(step) for step in np.linspace(-1.5, 1.5, 61)])

    def _one(self, yaw: float) -> Array:
        """Weighted median of the faces at a similar yaw; where there are few, the other faces rotated by the model."""
        model = project_rotated(LANDMARK_MODEL, np.array([yaw]), np.zeros(1))[0] * CANONICAL_HEAD_FRACTION
        if not len(self._yaw):
            return np.asarray(model)
        zero = np.zeros_like(self._yaw)
        as_model = project_rotated(LANDMARK_MODEL, self._yaw, zero) * CANONICAL_HEAD_FRACTION
        near = self._weight * np.exp(-0.5 * ((self._yaw - yaw) / _YAW_SIGMA_RAD) ** 2)
        # Use each face's difference from the model at the same yaw, which hardly depends on the yaw.
        weight = near + 1e-3 * self._weight * (1 if near.sum() >= _MIN_FRAME_WEIGHT else 10)
        return np.asarray(model + _weighted_median(self._level - as_model, weight))


def level_landmarks(faces: FaceTrack, frames: NDArray[np.int64] | slice = _ALL) -> Array:
    """Landmarks on the face crop with its roll removed, its center at 0 and its side 1, of some frames: float64 [n,68,2]."""
    middle = (faces.size_px - 1) / 2
    on_canvas = transform_points(faces.landmarks[frames], faces.to_canvas[frames])
    canvas = (on_canvas.astype(np.float64) - middle) / faces.size_px
    return _rotated(canvas, -faces.expression[frames, 8].astype(np.float64))


def _to_frame(level: Array, faces: FaceTrack, frames: NDArray[np.int64]) -> FloatArray:
    canvas = _rotated(level, faces.expression[frames, 8].astype(np.float64)) * faces.size_px + (faces.size_px - 1) / 2
    transform = faces.to_canvas[frames]
    return np.asarray((canvas - transform[:, None, :, 2]) / transform[:, 0, 0][:, None, None], np.float32)


def _rotated(points: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)


def _part_size_ratios(own: Array, target_neutral_face: Array) -> Array:
    """Size of each part of the second face relative to the first, by which its motion is scaled: float64 [T,68,2]."""
    ratio = np.ones_like(own)
    for names in _FACE_PARTS:
        part = np.concatenate([np.arange(68)[PARTS[name]] for name in names])
        size = [np.ptp(face[:, part], axis=1).clip(1e-4) for face in (own, target_neutral_face)]
        ratio[:, part] = np.clip(size[1] / size[0], *_SIZE_RATIO_RANGE)[:, None]
    return ratio


def _without_crossing(level: Array) -> Array:
    """Where lips or eyelids [T,68,2] would cross, move both to their mean height."""
    out = level.copy()
    for upper, lower in _TOUCHING_PAIRS:
        crossed = level[:, lower, 1] < level[:, upper, 1]
        out[crossed, upper, 1] = out[crossed, lower, 1] = (level[crossed, upper, 1] + level[crossed, lower, 1]) / 2
    return out


def _expression_gain(own: NeutralFace, target_neutral_face: NeutralFace) -> FloatArray:
    """Factors [6] for the expression: eyelids are relative to how far each face opens them; the rest are lengths on faces of
    one size.
    """
    gain = np.ones(6, np.float32)
    gain[2:4] = np.clip(target_neutral_face.expression[2:4] / np.maximum(own.expression[2:4], 1e-3), *_SIZE_RATIO_RANGE)
    return gain


def _model_expression() -> FloatArray:
    return np.asarray(measure_expression(LANDMARK_MODEL[None].astype(np.float32))[0])


def _weighted_median(values: Array, weight: Array) -> Array:
    """Weighted median over the first axis of values [N,...]."""
    flat = values.reshape(len(values), -1)
    order = np.argsort(flat, axis=0)
    total = np.cumsum(weight[order], axis=0)
    index = (total < 0.5 * weight.sum()).sum(axis=0).clip(max=len(values) - 1)
    picked = np.take_along_axis(flat, order, axis=0)[index, np.arange(flat.shape[1])]
    return np.asarray(picked.reshape(values.shape[1:]))


def _fit_complex(
    points: NDArray[np.floating], onto: NDArray[np.floating], weight: NDArray[np.floating]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Fit rotation-and-scale and shift, [T] each, as complex numbers: x + iy -> turn (x + iy) + shift."""
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


def _smooth_transforms(
    turn: NDArray[np.complex128], shift: NDArray[np.complex128], at: NDArray[np.complex128], time_s: Array
) -> Array:
    """Smooth size, roll and the head's position on the canvas; the head's own motion in the frame stays."""
    there = turn * at + shift
    columns = np.stack([np.log(np.abs(turn).clip(1e-9)), np.unwrap(np.angle(turn)), there.real, there.imag], axis=1)
    own_neutral = local_parabola(columns[:, None], np.ones((len(at), 1)), time_s, _SIGMA_S)[:, 0]
    turn = np.exp(own_neutral[:, 0] + 1j * own_neutral[:, 1])
    return _matrices(turn, own_neutral[:, 2] + 1j * own_neutral[:, 3] - turn * at)
