"""Follow the camera of a video, and film the background with it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.subject.background.mosaic_estimation import MosaicEstimator
from dancenow.subject.background.parallax_over_time import ParallaxMeter
from dancenow.subject.camera.estimation import CameraEstimator
from dancenow.subject.camera.footage_camera import FootageCamera
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.exposure import Exposure
from dancenow.types import PoseTrack


def follow_camera(
    source: VideoSource,
    track: PoseTrack,
    overlay: NDArray[np.bool_] | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> CameraTrajectory:
    """The trajectory of the camera of a video, from all of its frames. Arguments as `CameraEstimator`.

    Raises:
        UserError: the video cannot be read.
    """
    estimator = CameraEstimator(track, overlay, on_progress)
    source.feed(estimator)
    return estimator.estimate()


def film_background(
    source: VideoSource,
    masks: Path,
    measured: NDArray[np.bool_],
    trajectory: CameraTrajectory,
    overlay: NDArray[np.bool_] | None = None,
    exposure: Exposure | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> FootageCamera | None:
    """The background that a moving camera saw; None if it stands still. Arguments and errors as `MosaicEstimator`."""
    if trajectory.is_still:
        return None
    estimator = MosaicEstimator(source, masks, measured, trajectory, overlay, exposure, on_progress)
    source.feed(estimator)
    return FootageCamera(trajectory, estimator.estimate())


def follow_parallax(
    source: VideoSource,
    masks: Path,
    found: NDArray[np.bool_],
    camera: FootageCamera,
    overlay: NDArray[np.bool_] | None = None,
    exposure: Exposure | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> FootageCamera:
    """The same camera with the parallax of all frames, if its samples have any. Arguments as `ParallaxMeter`.

    Raises:
        UserError: the video or the masks cannot be read.
    """
    if camera.mosaic.displacements is None:
        return camera
    meter = ParallaxMeter(source, masks, found, camera.mosaic, camera.trajectory, overlay, exposure, on_progress)
    source.feed(meter)
    return replace(camera, mosaic=meter.mosaic())
