"""Exact tracks without rendering: any body, dance and camera, in milliseconds.

Used to train and evaluate retargeting; `clip.render_clip` gives the same track with images.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio.body import Body, bare_body, build_body
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.clip import DETECTOR, create_performance
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.render import project_keypoints
from dancenow.research.studio.scene import Camera
from dancenow.types import FrameStatus, PoseTrack


def world_keypoints(body: Body, performance: Performance) -> NDArray[np.float64]:
    """Return world positions [T,K,3] m of the keypoints of a performance."""
    return body.keypoints(performance.rotations, body.posed_joints(performance.rotations, performance.root))


@cache
def identity_keypoints(identity: str, dance: str, fps: float = 30.0, seconds: float | None = None) -> NDArray[np.float64]:
    """Return world positions [T,K,3] m of the keypoints of a studio identity in a dance; cached, because building a body takes
    seconds."""
    body = _build_cached(identity)
    return world_keypoints(body, create_performance(body, dance, fps, seconds))


def phenotype_keypoints(phenotype: Mapping[str, float], dance: Choreography, fps: float = 30.0) -> NDArray[np.float64]:
    """Return world positions [T,K,3] m of the keypoints of a body of a phenotype (see `anny_assets.phenotype_offsets`)."""
    body = bare_body(phenotype)
    return world_keypoints(body, solve(perform(dance, fps, dance.seconds), body))


def project_track(points: NDArray[Any], camera: Camera, width_px: int, height_px: int, fps: float = 30.0) -> PoseTrack:
    """Project world positions [T,K,3] m by a camera: the track that `render_clip` saves, without rendering."""
    pose = project_keypoints(points, camera, width_px, height_px)
    status = np.full(len(points), FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, np.arange(len(points)) / fps, status, width_px, height_px, DETECTOR, "0" * 64)


@cache
def _build_cached(identity: str) -> Body:
    return build_body(IDENTITIES[identity])
