"""Keep overlays out of the background: the scene is estimated inside of bars and borders, without the pixels of graphics."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.background.frame_sampling import Candidate, Sample
from dancenow.subject.overlays import Overlays
from dancenow.types import Plate


def without_overlays(sample: Sample, overlays: Overlays) -> Sample:
    """The part of a sample that shows the scene; pixels of overlays count as hidden, as those of the person do."""
    content, (height, width) = overlays.content, overlays.mask.shape
    small_height, small_width = sample.clearance.shape
    scale = np.array([small_width / width, small_height / height])
    columns, rows = (max(8, round(float(length))) for length in scale * [content.x1 - content.x0, content.y1 - content.y0])
    step = np.array([(content.x1 - content.x0) / columns, (content.y1 - content.y0) / rows]) * scale
    corner = (np.array([content.x0, content.y0]) * scale) + step / 2 - 0.5
    to_small = np.array([[step[0], 0, corner[0]], [0, step[1], corner[1]]])

    def cropped(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        part = cv2.warpAffine(image, to_small, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(part, np.uint8)

    mask = overlays.mask[content.rows, content.columns].astype(np.uint8) * 255
    visible = np.asarray(cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA)) == 0
    bare, feet = (cropped(each.astype(np.uint8)) > 0 for each in (sample.bare, sample.feet))
    image = np.ascontiguousarray(sample.image_rgb[content.rows, content.columns])
    return Sample(sample.index, image, np.where(visible, cropped(sample.clearance), np.uint8(0)), bare & visible, feet)


def hide_overlay(candidate: Candidate, overlay: NDArray[np.bool_]) -> Candidate:
    """A candidate frame in which pixels of an overlay, bool [H,W], count as hidden, and what its maps have right beside them:
    they are laid into a mosaic no more exactly."""
    size = candidate.clearance.shape[::-1]
    near = cv2.dilate(overlay.astype(np.uint8) * 255, _cell(overlay.shape, candidate.clearance.shape))
    visible = np.asarray(cv2.resize(near, size, interpolation=cv2.INTER_AREA)) == 0
    return replace(candidate, clearance=np.where(visible, candidate.clearance, np.uint8(0)), bare=candidate.bare & visible)


def in_whole_frame(plate: Plate, overlays: Overlays) -> Plate:
    """The plate of the scene in the size of the frame; bars and borders are unknown and repeat its edges."""
    content, (height, width) = overlays.content, overlays.mask.shape
    sides = content.y0, height - content.y1, content.x0, width - content.x1
    image = cv2.copyMakeBorder(plate.image_rgb, *sides, cv2.BORDER_REPLICATE)
    known = np.zeros((height, width), np.bool_)
    known[content.rows, content.columns] = plate.known
    return Plate(np.asarray(image, np.uint8), known)


def _cell(frame: tuple[int, ...], maps: tuple[int, ...]) -> NDArray[np.uint8]:
    """A square around a pixel of a frame that reaches as far as a pixel of the maps is wide."""
    height, width = (2 * round(large / small) + 1 for large, small in zip(frame, maps, strict=True))
    return np.ones((height, width), np.uint8)
