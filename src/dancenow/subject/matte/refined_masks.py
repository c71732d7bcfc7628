"""Refine all masks of a video, one frame at a time, once its background is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoSource, read_masks
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.camera.footage_camera import FootageCamera
from dancenow.subject.exposure import Exposure
from dancenow.subject.matte.refinement import refine_matte
from dancenow.types import Plate

MASK_SIDE_PX: Final = 1080
"""Longer side of a refined mask, at most."""


def still_background(plate: Plate) -> Callable[[int], Plate]:
    """The background of every frame of a camera that stands still."""
    return lambda _: plate


def filmed_background(camera: FootageCamera) -> Callable[[int], Plate]:
    """The background of each frame of a camera that moves; unknown where the frame could not be placed."""
    trajectory, mosaic = camera.trajectory, camera.mosaic
    width_px, height_px = trajectory.width_px, trajectory.height_px

    def seen_at(index: int) -> Plate:
        to_reference = trajectory.to_reference[index]
        known = mosaic.known_by(to_reference, width_px, height_px) & bool(trajectory.confidence[index] > 0)
        return Plate(mosaic.seen_by(to_reference, width_px, height_px), known)

    return seen_at


def refine_masks(
    source: VideoSource,
    masks: Path,
    background_of: Callable[[int], Plate],
    *,
    exposure: Exposure | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> None:
    """Replace the detector's masks of a video by refined ones, in the frame's size or with a longer side of 1080 px.

    masks: by `MaskWriter`, one per frame. background_of: the background of a frame by its number, in the frame's px; returning
    the same object again saves time. exposure: of the frames, relative to that of the background.

    Raises:
        UserError: the video or the masks cannot be read, or the masks cannot be written.
    """
    info = source.info
    scale = min(1.0, MASK_SIDE_PX / max(info.width_px, info.height_px))
    size = (max(1, round(info.width_px * scale)), max(1, round(info.height_px * scale)))
    last, small = None, None
    with (
        complete_or_absent(masks) as temporary,
        MaskWriter(temporary, *size) as writer,
        prefetch(source.frames()) as frames,
    ):
        for index, mask in enumerate(read_masks(masks)):
            frame = next(frames, None)  # none where the video ends before the masks
            if frame is None or not mask.any():
                writer.write(np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.uint8))
                continue
            plate = background_of(index)
            if small is None or plate is not last:
                last, small = plate, _resized(plate, size)
            image = np.asarray(cv2.resize(frame.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
            writer.write(refine_matte(exposure.correct(image, index) if exposure else image, mask, small))
            on_progress(Progress("refining the edges", index + 1, info.num_frames))


def _resized(plate: Plate, size: tuple[int, int]) -> Plate:
    """A plate in another size; known where all of it was known."""
    if plate.known.shape == size[::-1]:
        return plate
    image = cv2.resize(plate.image_rgb, size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(plate.known.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return Plate(np.asarray(image, np.uint8), np.asarray(known) > 250)
