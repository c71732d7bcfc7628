"""Exact tracks without pictures: any body, any dance, any camera, in milliseconds.

What normalization is trained and measured on; `clip.render_clip` gives the same track with its pictures.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio.body import Body, bare_body, build_body
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.clip import DETECTOR, performance_of
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.scene import Camera
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack


def points_of(body: Body, performance: Performance) -> NDArray[np.float64]:
    """World places of the keypoints [T,K,3] m."""
    return body.keypoints(performance.rotations, body.posed_joints(performance.rotations, performance.root))


@cache
def danced_points(identity: str, dance: str, fps: float = 30.0, seconds: float | None = None) -> NDArray[np.float64]:
    """World places of the keypoints [T,K,3] m of one of the studio's people; kept, because building a body takes seconds."""
    body = _dressed(identity)
    return points_of(body, performance_of(body, dance, fps, seconds))


def anybodys_points(phenotype: Mapping[str, float], dance: Choreography, fps: float = 30.0) -> NDArray[np.float64]:
    """World places of the keypoints [T,K,3] m of a body that is nobody's (see `anny_data.phenotype_offsets`)."""
    body = bare_body(phenotype)
    return points_of(body, solve(perform(dance, fps, dance.seconds), body))


def exact_track(points: NDArray[Any], camera: Camera, width_px: int, height_px: int, fps: float = 30.0) -> PoseTrack:
    """World places [T,K,3] m as a camera sees them: what `render_clip` saves, without rendering."""
    xy, distance = camera.project(points, width_px, height_px)
    hips = distance[:, [INDEX["right_hip"], INDEX["left_hip"]]].mean(axis=1, keepdims=True)
    depth = (distance - hips) * camera.focal * height_px / hips
    pose = Pose(xy.astype(np.float32), np.ones(distance.shape, np.float32), depth.astype(np.float32))
    status = np.full(len(points), FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, np.arange(len(points)) / fps, status, width_px, height_px, DETECTOR, "0" * 64)


@cache
def _dressed(identity: str) -> Body:
    return build_body(IDENTITIES[identity])
