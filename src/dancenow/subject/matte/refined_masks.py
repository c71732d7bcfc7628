"""Refine all masks of a video, one frame at a time, once its background is known."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoSource, read_masks
from dancenow.prefetch import map_in_order, prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.camera.footage_camera import FootageCamera
from dancenow.subject.exposure import Exposure
from dancenow.subject.matte.refinement import refine_matte
from dancenow.types import Frame, Plate

MASK_SIDE_PX: Final = 1080
"""Longer side of a refined mask, at most."""
_AT_ONCE: Final = 2
"""Frames refined at a time, each on its own core."""


def still_background(plate: Plate) -> Callable[[int], Plate]:
    """The background of every frame of a camera that stands still."""
    return lambda _: plate


def filmed_background(camera: FootageCamera) -> Callable[[int], Plate]:
    """The background of each frame of a camera that moves; unknown where the frame could not be placed."""
    trajectory, mosaic = camera.trajectory, camera.mosaic
    width_px, height_px = trajectory.width_px, trajectory.height_px

    def seen_at(index: int) -> Plate:
        view = trajectory.to_reference[index], width_px, height_px, index
        return Plate(mosaic.seen_by(*view), mosaic.known_by(*view) & bool(trajectory.confidence[index] > 0))

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

    def refine(given: _Given) -> NDArray[np.uint8]:
        if given.frame is None or given.background is None:
            return np.asarray(cv2.resize(given.mask, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        image = np.asarray(cv2.resize(given.frame.image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        image = exposure.correct(image, given.frame.index) if exposure else image
        return refine_matte(image, given.mask, given.background)

    with (
        complete_or_absent(masks) as temporary,
        MaskWriter(temporary, *size) as writer,
        prefetch(source.frames()) as frames,
    ):
        given = _gather(frames, read_masks(masks), background_of, size)
        for index, refined in enumerate(map_in_order(refine, given, _AT_ONCE)):
            writer.write(refined)
            on_progress(Progress("refining the edges", index + 1, info.num_frames))


@dataclass(frozen=True, eq=False)
class _Given:
    """What a mask is refined from; without a person in it, or where the video ends before the masks, the mask alone."""

    mask: NDArray[np.uint8]
    frame: Frame | None = None
    background: Plate | None = None


def _gather(
    frames: Iterator[Frame], masks: Iterable[NDArray[np.uint8]], background_of: Callable[[int], Plate], size: tuple[int, int]
) -> Iterator[_Given]:
    """Every mask with its frame and its background in the size of the refined masks."""
    last, resized = None, None
    for index, mask in enumerate(masks):
        frame = next(frames, None)
        if frame is None or not mask.any():
            yield _Given(mask)
            continue
        plate = background_of(index)
        if plate is not last:
            last, resized = plate, _resized(plate, size)
        yield _Given(mask, frame, resized)


def _resized(plate: Plate, size: tuple[int, int]) -> Plate:
    """A plate in another size; known where all of it was known."""
    if plate.known.shape == size[::-1]:
        return plate
    image = cv2.resize(plate.image_rgb, size, interpolation=cv2.INTER_AREA)
    known = cv2.resize(plate.known.view(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    return Plate(np.asarray(image, np.uint8), np.asarray(known) > 250)
