"""Metrics of the face region: landmarks, correlation of the mouth with the source person's, and flicker."""

from pathlib import Path

import numpy as np
import torch

from dancenow.errors import UserError
from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import EXPRESSION, FaceTrack, Reason
from dancenow.face.face_tracking import extract_faces
from dancenow.media.source import read_frames
from dancenow.metrics.faces import expression_correlation, landmark_distance
from dancenow.metrics.motion import estimate_motion, flicker_ratio, warping_error
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.regions import face_box
from dancenow.pose.pipeline import detect_poses
from dancenow.progress import ProgressCallback
from dancenow.research.bench.jobs import Record
from dancenow.types import PoseTrack

EVERY = 3
"""Stride of the frames whose face crops are compared."""


def face_metrics(out: Path, truth: Path, source: Path, on_progress: ProgressCallback) -> dict[str, Record]:
    """By name, as in `ablation.metric_scores`: value (None if it could not be measured), unit, and the better direction."""
    tracks = [detect_poses(video, on_progress=on_progress) for video in (truth, source)]
    reference, source_track = (
        extract_faces(video, track, on_progress=on_progress) for video, track in zip((truth, source), tracks, strict=True)
    )
    values = {
        "perceptual, seen face": (crop_distance(out, truth, reference, reference), "", "lower"),
        "flicker, face": (face_flicker(out, truth, tracks[0]), "x", "lower"),
    }
    try:
        own = extract_faces(out, detect_poses(out, on_progress=on_progress), on_progress=on_progress)
    except UserError:  # no person is detected in it
        own = None
    if own is not None:
        seen = has_landmarks(own) & has_landmarks(reference)
        distance = landmark_distance(own.landmarks, reference.landmarks, reference.head_px, seen)
        found_fraction = (
            float(has_landmarks(own)[has_landmarks(reference)].mean()) if has_landmarks(reference).any() else np.nan
        )
        both = has_landmarks(own) & has_landmarks(source_track)
        mouth = EXPRESSION.index("mouth_opening")
        shown, asked, truly = (each.expression[:, mouth] for each in (own, source_track, reference))
        off = float(np.abs(shown - truly)[seen].mean()) if seen.any() else np.nan
        values |= {
            "perceptual, face in its own window": (crop_distance(out, truth, own, reference), "", "lower"),
            "landmark distance, face": (float(np.nanmean(distance)) if seen.any() else np.nan, "heads", "lower"),
            "landmarks found, face": (found_fraction, "", "higher"),
            "mouth follows the dancer, face": (expression_correlation(shown, asked, both), "", "higher"),
            "mouth opening error, face": (off, "heads", "lower"),
            "mouth follows the dancer, truth": (
                expression_correlation(truly, asked, has_landmarks(reference) & has_landmarks(source_track)), "", "higher",
            ),
        }  # fmt: skip
    return {
        name: {"value": round(value, 6) if np.isfinite(value) else None, "unit": unit, "better": better}
        for name, (value, unit, better) in values.items()
    }


def crop_distance(out: Path, truth: Path, own: FaceTrack, reference: FaceTrack) -> float:
    """Perceptual distance of the face, cropped from the result by `own` and from the truth by `reference`: mean over every
    `EVERY`th frame with a valid face in the truth; backs of heads, which no face network changes, are skipped.

    With the truth's crops for both, the position counts. With the result's own crops it does not: this tells whether the face
    of a transfer is right although the head may be misplaced.
    """
    perceptual, distances = PerceptualDistance(), []
    for generated, real in zip(read_frames(out), read_frames(truth), strict=True):
        t = real.index
        if t % EVERY == 0 and reference.valid[t] and own.reason[t] != Reason.MISSING:
            pair = (crop_face(generated.image_rgb, own.crop(t)), crop_face(real.image_rgb, reference.crop(t)))
            with torch.inference_mode():
                distances.append(float(perceptual(*(region_to_tensor(face, "face") for face in pair))))
    return float(np.mean(distances)) if distances else float("nan")


def has_landmarks(faces: FaceTrack) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether the face is valid and its landmarks were detected: bool [T]."""
    return np.asarray(faces.valid & (faces.landmark_confidence > 0))


def face_flicker(out: Path, truth: Path, track: PoseTrack) -> float:
    """`flicker_ratio` within the truth's face box."""
    errors: list[tuple[float, float]] = []
    before = None
    for generated, real in zip(read_frames(out), read_frames(truth), strict=True):
        box = face_box(track.pose[real.index], track.width_px, track.height_px)
        if before is not None and box is not None and before[0] is not None:
            both = box.union(before[0])
            pairs = [(both.crop(a), both.crop(b)) for a, b in ((before[1], generated.image_rgb), (before[2], real.image_rgb))]
            along = estimate_motion(*pairs[1])
            errors.append((warping_error(*pairs[0], along), warping_error(*pairs[1], along)))
        before = box, generated.image_rgb, real.image_rgb
    table = np.array(errors, np.float64).reshape(-1, 2)
    return flicker_ratio(table[:, 0], table[:, 1])
