"""What one pass over a target's footage shows besides the person: background, camera, exposure, overlays, image quality."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoSource
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.content_marking import SyntheticFootageCheck
from dancenow.subject.background.background_plate import PlateEstimator
from dancenow.subject.camera.following import film_background, follow_camera, follow_parallax
from dancenow.subject.camera.footage_camera import FootageCamera, save_camera
from dancenow.subject.exposure import EXPOSURE_FILE, Exposure
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.subject.footage_quality import ImageQualityMeter, ImageStatistics
from dancenow.subject.matte.near_background import NearBackground
from dancenow.subject.matte.refined_masks import filmed_background, still_background
from dancenow.subject.overlay_detection.finder import OverlayFinder
from dancenow.subject.overlays import OverlayChoice, Overlays, save_overlays
from dancenow.subject.shot_selection import ShotSelection
from dancenow.types import FrameStatus, Plate, PoseTrack


@dataclass(frozen=True, eq=False)
class FootageSurvey:
    """plate: in the reference view of `camera`, which is None for a camera that stands still. background_of: the background of
    a frame by its number, in px of the frame. warnings: about synthetic footage and exposure, one sentence each.
    """

    plate: Plate
    camera: FootageCamera | None
    overlays: Overlays | None
    exposure: Exposure
    images: ImageStatistics
    background_of: Callable[[int], Plate]
    warnings: tuple[str, ...]

    def to_world(self, track: PoseTrack) -> PoseTrack:
        """A track of the footage in the reference view of its camera."""
        return track if self.camera is None else self.camera.trajectory.to_world(track)

    def save(self, folder: Path) -> None:
        """Write what is optional in a subject folder: the files of overlays, camera and exposure."""
        if self.overlays is not None:
            save_overlays(folder, self.overlays)
        if self.camera is not None:
            save_camera(folder, self.camera)
        if self.exposure.changes:
            self.exposure.save(folder / EXPOSURE_FILE)


def survey_footage(
    source: VideoSource,
    masks: Path,
    selected: ShotSelection,
    measured: NDArray[np.bool_],
    overlays: OverlayChoice,
    on_progress: ProgressCallback = ignore_progress,
) -> FootageSurvey:
    """Decode the footage once, twice more if its camera moves, and once more if it travels.

    masks: by the detector, one per frame. selected: the shots that are used, with the person's track. measured: bool [T], the
    frames of training in which the person was found.

    Raises:
        UserError: the video or the masks cannot be read.
    """
    track = selected.track
    estimator = PlateEstimator(source, masks, measured, on_progress)
    quality = ImageQualityMeter(masks, selected.used, track.cuts)
    synthetic, meter = SyntheticFootageCheck(source, len(track)), ExposureMeter(masks, measured)
    finder, near = OverlayFinder(source, masks, len(track)), NearBackground(masks, estimator.indices)
    source.feed(estimator, quality, synthetic, meter, near, *([finder] if overlays == "keep" else []))
    found, camera, trajectory = finder.find(), None, None
    hidden = None if found is None else found.mask
    if hidden is not None:
        quality.leave_out(hidden)
    images = quality.statistics()
    if images.may_move:
        trajectory = follow_camera(source, track, hidden, on_progress)
    exposure = meter.exposure(trajectory)
    if trajectory is not None:
        camera = film_background(source, masks, measured, trajectory, hidden, exposure, on_progress)
    if camera is None:
        plate = estimator.estimate(exposure, found)
        background_of = still_background(near.complete(plate, exposure))
    else:
        found_in = selected.used & (track.status == FrameStatus.MEASURED)
        camera = follow_parallax(source, masks, found_in, camera, hidden, exposure, on_progress)
        images = images.with_camera(camera.trajectory, selected.used)
        plate = camera.mosaic.reference_view(track.width_px, track.height_px)
        background_of = filmed_background(camera)
    warnings = (*synthetic.warnings(), *exposure.warnings(measured))
    return FootageSurvey(plate, camera, found, exposure, images, background_of, warnings)
