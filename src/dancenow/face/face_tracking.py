"""Find the face in a video, given its pose track; and the face crops of retargeted poses, for which there is no video yet.

A crop depends on the pose alone, smoothed to the head's own motion, so that training and transfer crop faces alike, also where
there is no image yet to detect a face in. The image adds landmarks and expression.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, UserError
from dancenow.face.expression import head_rotation, measure_expression
from dancenow.face.face_track import EXPRESSION, NUM_LANDMARKS, FaceTrack, Reason, load_faces, save_faces
from dancenow.face.face_tracker import FaceTracker
from dancenow.face.hand_occlusion import occluded_fraction
from dancenow.face.head import Head, estimate_heads, smooth_heads
from dancenow.face.landmarks import FaceNetworks
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.pose.filtering.local_regression import blocks, local_parabola
from dancenow.pose.person_crop import window
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.cache import cache_entry, cache_key, cached_result
from dancenow.types import FloatArray, FrameStatus, PoseTrack

Array = NDArray[np.float64]
DETECTOR: Final = "facemesh/1"
"""Name of the measurement in `extract_faces`, stored in face tracks."""
SIZE_PX: Final = 128
MIN_HEAD_PX: Final = 18.0
"""Head height below which a face network cannot improve anything."""
MARGIN: Final = 1.6
"""Side of the crop relative to the head's height."""
MAX_YAW_RAD: Final = float(np.radians(100))
"""Beyond this yaw no face is visible."""
MAX_HIDDEN_FRACTION: Final = 0.5
MIN_INSIDE_FRACTION: Final = 0.6
"""Fraction of the head's box, without its margin, that must lie in the frame."""
_NO_EXPRESSION_PX: Final = 22.0
_FULL_EXPRESSION_PX: Final = 40.0
"""Head height from which the expression is fully reliable, and above it the height up to which it is not reliable at all: on
rendered people the mouth's opening correlates with the truth by .5 to .9 at 43 px, by .1 to .8 at 32 px and by .2 at 21 px.
"""
_LANDMARK_SIGMA_S: Final = 0.03
_AT_ONCE: Final = 4
"""Landmarks that are smoothed together: all of them in an hour of video take 700 MB."""
_MAX_GAP_S: Final = 0.2


def face_boxes(track: PoseTrack, *, size_px: int = SIZE_PX, min_head_px: float = MIN_HEAD_PX) -> FaceTrack:
    """Face crops and their validity from the poses alone; of the expression only the head's rotation, no landmarks."""
    head = smooth_heads(estimate_heads(track.pose), track.shot_time_s)
    hidden = occluded_fraction(track.pose, head)
    reason = _reasons(track, head, hidden, min_head_px)
    count, terms = len(track), len(EXPRESSION)
    expression, confidences = np.zeros((count, terms), np.float32), np.zeros((count, terms), np.float32)
    expression[:, -3:] = np.stack([head.yaw, head.pitch, head.roll], axis=1)
    confidences[:, -3:] = head.seen[:, None]
    to_canvas = np.empty((count, 2, 3))
    for t, (center, height_px) in enumerate(zip(head.center, head.height_px, strict=True)):
        to_canvas[t] = window(center, MARGIN * float(height_px), size_px).to_canvas
    return FaceTrack(
        to_canvas, reason, hidden, head.height_px.astype(np.float32),
        np.zeros((count, NUM_LANDMARKS, 2), np.float32), np.zeros(count, np.float32),
        expression, confidences, track.time_s, track.width_px, track.height_px, size_px, "pose", track.source_sha256,
    )  # fmt: skip


def extract_faces(
    video: VideoInput,
    track: PoseTrack,
    *,
    size_px: int = SIZE_PX,
    min_head_px: float = MIN_HEAD_PX,
    use_cache: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> FaceTrack:
    """Track the face of the person of `track` in `video`: one crop per frame, its validity, landmarks and expression.

    The video is read once, in constant memory; frames without a visible face cost nothing. Results for the same video and track
    are cached.

    Raises:
        UserError: the video cannot be read or does not match the track, or the network weights are not available.
    """
    source = open_video(video)
    info = source.info
    if (info.width_px, info.height_px) != (track.width_px, track.height_px):
        raise InputError(
            f"{video} is {info.width_px}x{info.height_px} and its pose track {track.width_px}x{track.height_px};"
            " create the track again."
        )
    if not use_cache:
        return _measure(source, track, size_px, min_head_px, on_progress)
    digest = hashlib.sha256()
    for array in (track.pose.xy, track.pose.confidence, track.time_s):
        digest.update(np.ascontiguousarray(array).data)
    inputs, parameters = [source.sha256, digest.hexdigest()], {"size_px": size_px, "min_head_px": min_head_px}
    entry = cache_entry("faces", cache_key("faces", inputs=inputs, parameters=parameters, modules=[__name__]))

    def make() -> FaceTrack:
        faces = _measure(source, track, size_px, min_head_px, on_progress)
        save_faces(entry.path(".npz"), faces)
        return faces

    return cached_result(entry, lambda: _load_if_valid(entry.path(".npz")), make, sealed=(".npz",), on_progress=on_progress)


def with_landmarks(boxes: FaceTrack, points: FloatArray, confidence: FloatArray, detector: str) -> FaceTrack:
    """Add landmarks [T,68,3] (frame px, depth in px) with confidence [T], and the expression measured from them.

    The head's rotation comes from the landmarks as far as they are confident, else from the pose, after correcting its pitch by
    the median difference where both are known.
    """
    measured = confidence > 0
    expression, confidences = boxes.expression.copy(), boxes.expression_confidence.copy()
    if measured.any():
        turns = np.zeros_like(expression[:, 6:])
        for block in blocks(len(points)):
            of_block = measured[block]
            expression[block, :6][of_block] = measure_expression(points[block][of_block])
            turns[block][of_block] = head_rotation(points[block][of_block])
        confidence_scale = np.clip((boxes.head_px - _NO_EXPRESSION_PX) / (_FULL_EXPRESSION_PX - _NO_EXPRESSION_PX), 0, 1)
        confidences[:, :6] = (confidence * confidence_scale)[:, None]
        frontal = (confidence > 0.5) & (np.abs(boxes.expression[:, 6]) < np.pi / 2)
        if frontal.sum() >= 5:
            expression[:, 7] += np.median(turns[frontal, 1] - expression[frontal, 7])
        weight = np.minimum(2 * confidence, 1)[:, None]
        expression[:, 6:] = weight * turns + (1 - weight) * expression[:, 6:]
    places = np.where(measured[:, None, None], points[..., :2], 0).astype(np.float32)
    return replace(
        boxes, landmarks=places, landmark_confidence=confidence.astype(np.float32), expression=expression,
        expression_confidence=confidences, detector=detector,
    )  # fmt: skip


def _measure(
    source: VideoSource, track: PoseTrack, size_px: int, min_head_px: float, on_progress: ProgressCallback
) -> FaceTrack:
    boxes = face_boxes(track, size_px=size_px, min_head_px=min_head_px)
    tracker = FaceTracker(FaceNetworks(on_progress), track, boxes)
    count, times_s = 0, np.zeros(len(track))
    with prefetch(source.frames()) as frames:
        for frame in frames:
            if count == len(track):
                break
            times_s[count] = float(frame.time_s)
            tracker.step(frame.image_rgb, count)
            count += 1
            on_progress(Progress("tracking the face", count, len(track)))
    if count < len(track):
        raise InputError(f"{source} has {count} frames and its pose track {len(track)}; create the track again.")
    if np.abs(np.ptp(times_s) - np.ptp(track.time_s)) > 0.2 + 0.1 * np.ptp(times_s):
        raise InputError(f"the pose track of {source} skips frames; create one with every frame.")
    hidden = boxes.reason.copy()
    hidden[(hidden == Reason.OK) & _majority_of_five(tracker.no_face)] = Reason.HIDDEN
    boxes = replace(boxes, reason=hidden)
    points, confidence = _smooth_landmarks(tracker.points, tracker.confidence, boxes, track.shot_time_s)
    return with_landmarks(boxes, points, confidence, DETECTOR)


def _majority_of_five(no_face: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames around which three of five frames detect no face: a single one may be motion blur."""
    padded = np.pad(no_face, 2, mode="edge").astype(int)
    return np.asarray(sum(padded[i : i + len(no_face)] for i in range(5)) >= 3)


def _smooth_landmarks(
    points: FloatArray, confidence: FloatArray, boxes: FaceTrack, time_s: Array
) -> tuple[FloatArray, FloatArray]:
    """Fill short gaps and reduce jitter on the canvas; the motion of the head as a whole is already in the crop."""
    known = np.flatnonzero(confidence > 0)
    if len(known) < 2:
        return points, confidence
    after = known[np.searchsorted(known, np.arange(len(points))).clip(max=len(known) - 1)]
    before = known[(np.searchsorted(known, np.arange(len(points)), side="right") - 1).clip(min=0)]
    inside = (before <= np.arange(len(points))) & (after >= np.arange(len(points)))
    near = inside & (time_s[after] - time_s[before] <= _MAX_GAP_S)
    confidences = np.where(confidence > 0, confidence, 0.5 * np.interp(time_s, time_s[known], confidence[known]))
    confidences = np.where(near, confidences, 0.0)
    scale, shift = boxes.to_canvas[:, 0, 0][:, None, None], boxes.to_canvas[:, :, 2]
    offset = np.concatenate([shift, np.zeros((len(shift), 1))], axis=1)[:, None]
    smooth, weight = np.empty_like(points), confidences[:, None].astype(np.float64)
    for few in blocks(points.shape[1], _AT_ONCE):
        flat = (points[:, few] * scale + offset).reshape(len(points), -1)
        for column in flat.T:
            column[:] = np.interp(time_s, time_s[known], column[known])
        back = (local_parabola(flat[:, None], weight, time_s, _LANDMARK_SIGMA_S).reshape(len(points), -1, 3) - offset) / scale
        smooth[:, few] = np.where(confidences[:, None, None] > 0, back, 0)
    return smooth, confidences.astype(np.float32)


def _reasons(track: PoseTrack, head: Head, hidden: FloatArray, min_head_px: float) -> NDArray[np.uint8]:
    reason = np.full(len(track), Reason.OK, np.uint8)
    reason[hidden > MAX_HIDDEN_FRACTION] = Reason.HIDDEN
    reason[np.abs(head.yaw) > MAX_YAW_RAD] = Reason.TURNED
    reason[head.height_px < min_head_px] = Reason.TOO_SMALL
    half = head.height_px[:, None] / 2
    low, high = (head.center - half).clip(0), (head.center + half).clip(max=[track.width_px - 1, track.height_px - 1])
    inside = np.clip(high - low, 0, None).prod(axis=1) / head.height_px**2
    reason[(inside < MIN_INSIDE_FRACTION) | ~head.seen | (track.status == FrameStatus.MISSING)] = Reason.MISSING
    return reason


def _load_if_valid(path: Path) -> FaceTrack | None:
    try:
        return load_faces(path) if path.exists() else None
    except UserError:
        return None  # a damaged cache entry is measured again
