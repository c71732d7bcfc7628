"""Motion transfer without learning: show the unchanged footage frame with the nearest pose.

Frame retrieval as in video-based rendering (Schödl et al., Video Textures, 2000). It is perfectly sharp, has wrong poses and
jumps, and so reveals metrics that reward sharpness alone.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource, probe, read_frames, read_frames_at
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import RetargetingKind
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.subject.same_camera import fit_videos
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, Pose


def show_nearest_frames(
    source: Path, subject: Subject, out: Path, normalize: RetargetingKind, on_progress: ProgressCallback = ignore_progress
) -> Path:
    """Write the dance of `source` with frames of the subject's training footage.

    Raises:
        UserError: no person can be tracked in the source, or `out` cannot be written.
    """
    source_track = detect_poses(source, on_progress=on_progress)
    wanted = fit_videos(normalize, VideoSource.open(source), source_track, subject.track, subject.plate)(source_track.pose)
    track = subject.track
    training_frames = np.flatnonzero((track.status == FrameStatus.MEASURED) & subject.manifest.in_split("train", track.time_s))
    chosen = training_frames[nearest(wanted, track.pose[training_frames])]
    info = probe(subject.video)
    # Compressed, because the frames are needed in another order than they are decoded.
    packed = {
        frame.index: cv2.imencode(".png", frame.image_rgb, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        for frame in read_frames_at(subject.video, sorted({int(index) for index in chosen}))
    }
    with VideoWriter(out, info.width_px, info.height_px, fps=probe(source).fps) as writer:
        for frame, index in zip(read_frames(source), chosen, strict=True):
            writer.write(np.asarray(cv2.imdecode(packed[int(index)], cv2.IMREAD_COLOR), np.uint8), frame.time_s)
            on_progress(Progress("generating", frame.index + 1, len(chosen)))
    return out


def nearest(wanted: Pose, known: Pose) -> NDArray[np.int64]:
    """For each pose [T], the index of the nearest known pose [N]: int64 [T].

    Distance: mean squared distance of keypoints in frame px, weighted by both confidences; the position counts, because the
    frame is shown unchanged.
    """
    # The weighted sum of |a - b|^2 with weights w_a w_b is three matrix products.
    a, b = (pose.xy.astype(np.float64).reshape(len(pose), -1) for pose in (wanted, known))
    w_a, w_b = (np.repeat(pose.confidence.astype(np.float64), 2, axis=1) for pose in (wanted, known))
    total = (w_a * a * a) @ w_b.T - 2 * (w_a * a) @ (w_b * b).T + w_a @ (w_b * b * b).T
    distance = total / np.maximum(w_a @ w_b.T, 1e-9)
    return np.asarray(distance.argmin(axis=1), np.int64)
