"""Find the overlays of a video from frames spread over it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.media.source import VideoInput, VideoSource, open_video, read_masks
from dancenow.subject.overlay_detection.bars import find_content
from dancenow.subject.overlay_detection.changing_graphics import find_changing
from dancenow.subject.overlay_detection.frame_stack import FrameStack
from dancenow.subject.overlay_detection.graphics import find_graphics, find_in_front
from dancenow.subject.overlay_detection.matting import graphics_rgba
from dancenow.subject.overlays import ContentBox, Overlays
from dancenow.types import Frame, ImageRGB

_MEMORY_BYTES: Final = 150_000_000
"""The sampled frames together are kept below this."""
_MAX_COUNT, _MIN_COUNT = 36, 12
_SEAM_PX: Final = 2
"""Lines of the picture next to a bar that are mixed with it, in px of the gray images."""
_EDGE: Final = 0.008
"""Of the longer side: structure nearer than this to the edge of the picture is its edge, blurred."""


def find_overlays(video: VideoInput, masks: Path | None, num_frames: int) -> Overlays | None:
    """Find bars, borders, captions, logos and running digits of `video`; None if there are none.

    masks: of the person, one per frame, by `MaskWriter`. Without them graphics before the person are not found. num_frames: of
    the video. Memory does not depend on the length: at most 36 frames are held, and at most 150 MB of them unless 12 need more.

    Raises:
        UserError: the video or the masks cannot be read.
    """
    source = open_video(video)
    finder = OverlayFinder(source, masks, num_frames)
    source.feed(finder)
    return finder.find()


class OverlayFinder:
    """Finds the overlays in the sampled frames that `VideoSource.feed` gives it; see `find_overlays`."""

    def __init__(self, source: VideoSource, masks: Path | None, num_frames: int) -> None:
        frame_bytes = source.info.width_px * source.info.height_px * 3
        count = int(np.clip(_MEMORY_BYTES // frame_bytes, _MIN_COUNT, _MAX_COUNT))
        indices = np.unique(np.linspace(0, max(num_frames - 1, 0), count + 2)[1:-1].round().astype(int)).tolist()
        wanted = set(indices)
        read = enumerate(read_masks(masks, 0, indices[-1] + 1)) if masks is not None else ()
        self._masks = {index: mask for index, mask in read if index in wanted}
        self._images: list[ImageRGB] = []
        self._of_images: list[NDArray[np.uint8] | None] = []
        self.indices: Collection[int] = indices

    def take(self, frame: Frame) -> None:
        """Keep a sampled frame."""
        self._images.append(frame.image_rgb)
        self._of_images.append(self._masks.get(frame.index))

    def find(self) -> Overlays | None:
        """Find the overlays in the frames taken."""
        if len(self._images) < _MIN_COUNT:
            return None
        stack = FrameStack.of(self._images, self._of_images)
        found = _find(stack)
        if found is None:
            return None
        overlays = _with_images(stack, found)
        return overlays if overlays.mask.any() else None


@dataclass(frozen=True, eq=False)
class _Found:
    """In px of the gray images: the box of the scene, still graphics in it, and changing ones; bool [h,w]."""

    content: ContentBox
    still: NDArray[np.bool_]
    changing: NDArray[np.bool_]


def _find(stack: FrameStack) -> _Found | None:
    height, width = stack.gray.shape[1:]
    box = find_content(stack)
    content = box or ContentBox(0, 0, width, height)
    edge = max(3, round(_EDGE * max(height, width)))
    inside = np.zeros((height, width), bool)
    inside[content.y0 + edge : content.y1 - edge, content.x0 + edge : content.x1 - edge] = True
    while_moving, still = find_graphics(stack, inside), find_in_front(stack, inside)
    if while_moving is not None:
        still |= while_moving
    changing = find_changing(stack, inside, None if while_moving is None else still)
    return _Found(content, still, changing) if box or still.any() or changing.any() else None


def _with_images(stack: FrameStack, found: _Found) -> Overlays:
    """What was found, in px of the frame and with its colors."""
    height, width = stack.images[0].shape[:2]
    content = _in_frame(found.content, stack.gray.shape[1:], (height, width))
    still, changing = (_enlarge(each, (height, width)) for each in (found.still, found.changing))
    rgba = graphics_rgba(stack, still)
    rgba[changing] = np.dstack([stack.images[len(stack) // 2], np.full((height, width), 255, np.uint8)])[changing]
    border = np.ones((height, width), bool)
    border[content.rows, content.columns] = False
    if border.any():
        rgba[border] = np.dstack([_median_image(stack.images), np.full((height, width), 255, np.uint8)])[border]
    visible = (rgba[..., 3] > 0).astype(np.uint8)
    mask = cv2.dilate(visible, np.ones((3, 3), np.uint8)) > 0
    return Overlays(rgba, np.asarray(mask, np.bool_), content)


def _in_frame(content: ContentBox, shape: tuple[int, ...], full: tuple[int, int]) -> ContentBox:
    """A box in px of the gray images as one in px of the frame, without the seams next to bars."""
    height, width = shape
    x0, x1 = (0 if content.x0 == 0 else content.x0 + _SEAM_PX), (width if content.x1 == width else content.x1 - _SEAM_PX)
    y0, y1 = (0 if content.y0 == 0 else content.y0 + _SEAM_PX), (height if content.y1 == height else content.y1 - _SEAM_PX)
    scale_x, scale_y = full[1] / width, full[0] / height
    return ContentBox(
        int(np.ceil(x0 * scale_x)), int(np.ceil(y0 * scale_y)), int(np.floor(x1 * scale_x)), int(np.floor(y1 * scale_y))
    )


def _enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask of the gray images in the size of the frame, with the soft edges of the strokes."""
    large = cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.dilate(large, np.ones((3, 3), np.uint8)) > 0) if mask.any() else large > 0


def _median_image(images: Sequence[ImageRGB]) -> ImageRGB:
    """Median of about 11 of the images."""
    return np.asarray(np.median(np.stack(images[:: max(1, len(images) // 11)]), axis=0), np.uint8)
