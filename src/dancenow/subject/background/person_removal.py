"""Take a person out of a frame whose background is known, with their shadow, and tell what passed in front of them.

Inside the person's mask the background is shown. Around it, as far as shadows and reflections reach, it is shown only where the
frame is the background or darkened by a shadow, so that what else is there stays: things and people, of which parts look like
a shadow, are kept in one piece. What differs from the background and hides a part of the body, by the pose, passed in front of
it, and so did a ball that the mask contains. Other people, whose masks are known, are left as they are, with the shadow at
their own feet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.pose.body_area import body_area, pose_size_px
from dancenow.skeleton import INDEX
from dancenow.subject.background.passing_objects import PassingObject
from dancenow.types import FloatArray, ImageRGB, Pose

_CORE: Final = 0.02
"""What is removed beyond the mask's edge: blurred pixels, and what a mask cuts short. Fraction of the person's size."""
_REACH: Final = 0.3
"""How far around the mask shadows are looked for; what is done there fades out in the last quarter."""
_BETWEEN: Final = 0.1
"""Width of the transition between what may be the person's shadow and what may be that of others; fraction of the size."""
_NOISE_LEVELS: Final = 5.0
"""Where frame and background differ by less, the frame stays as it is, with its grain."""
_LIFT: Final = np.float32(12.0)
"""Levels added before ratios are computed, because ratios of nearly black values are unreliable."""
_DARKEST, _BRIGHTEST = 0.35, 1.12
"""How much a shadow or a reflection changes the background."""
_OBJECT_LEVELS: Final = (14.0, 34.0)
"""Difference to a shadow on the background from which on a pixel begins to show something else, and surely does."""
_SHADOW_LEVELS: Final = 12.0
"""What differs from the background by more is a shadow or something else."""
_OBJECT_SHARE: Final = 0.2
"""A piece that differs is something else, as a whole, if this share of it surely is none of a shadow."""
_MIN_OBJECT: Final = 0.05
"""Least area of such a piece; fraction of the person's squared size. Smaller ones are reflections of shoes, too."""
_OBJECT_GAP: Final = 0.06
"""Gaps in something else that are closed, because the background happens to look like it; fraction of the person's size."""
_MIN_HIDDEN: Final = 0.0006
"""Least area of the body that something in front hides, as a fraction of the person's squared size."""
_BODY_AROUND: Final = 0.02
"""What surely is body beyond a limb of that width, where people touch."""
_SURE: Final = 0.3
_THIGHS: Final = [INDEX[name] for name in ("right_hip", "left_hip", "left_knee", "right_knee")]


@dataclass(frozen=True, eq=False)
class Removal:
    """A frame without the person, uint8 [H,W,3], and what was in front of them, uint8 [H,W,4] with straight alpha, if anything
    was.
    """

    image_rgb: ImageRGB
    front: NDArray[np.uint8] | None = None


def remove_people(
    frame_rgb: ImageRGB,
    masks: Sequence[NDArray[np.uint8]],
    background_rgb: ImageRGB,
    poses: Sequence[Pose],
    passing: Sequence[PassingObject | None],
    others: NDArray[np.uint8] | None = None,
) -> Removal:
    """Take several people out of a frame, as `remove_person` does. None of them counts as something in front of another.

    others: what is seen of the people who stay, uint8 [h,w] of any size; None if nobody else is there.
    """
    if len(masks) == 1 and others is None:
        return remove_person(frame_rgb, masks[0], background_rgb, poses[0], passing[0])
    masks = [_completed(mask, pose, frame_rgb.shape) for mask, pose in zip(masks, poses, strict=True)]
    image, fronts = frame_rgb, list[NDArray[np.uint8]]()
    for number, (mask, pose, thing) in enumerate(zip(masks, poses, passing, strict=True)):
        without_later = _without(image, masks[number + 1 :], mask, background_rgb)
        removal = remove_person(without_later, mask, background_rgb, pose, thing, others)
        image = removal.image_rgb
        fronts += [] if removal.front is None else [removal.front]
    if not fronts:
        return Removal(image)
    front = fronts[0]
    for other in fronts[1:]:
        front = np.where(other[..., 3:] > front[..., 3:], other, front)
    return Removal(image, front)


def _completed(mask: NDArray[np.uint8], pose: Pose, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The mask with all of the body that the pose tells: masks of people who touch lack parts of them."""
    scale = np.array([mask.shape[1] / shape[1], mask.shape[0] / shape[0]], np.float32)
    seen, moved = pose.confidence > _SURE, Pose(pose.xy * scale, pose.confidence)
    size_px = pose_size_px(moved)
    if not size_px:
        return mask
    area = body_area(moved, mask.shape, size_px)
    if seen[_THIGHS].all():  # a skirt
        cv2.fillConvexPoly(area, cv2.convexHull(moved.xy[_THIGHS].round().astype(np.int32)), 1)
    around_px = 2 * round(_BODY_AROUND * size_px) + 1
    return np.maximum(mask, 255 * cv2.dilate(area, np.ones((around_px, around_px), np.uint8)))


def _without(
    image: ImageRGB, others: Sequence[NDArray[np.uint8]], mask: NDArray[np.uint8], background_rgb: ImageRGB
) -> ImageRGB:
    """The frame with the background where other people's masks are, but not where `mask` is."""
    height, width = image.shape[:2]
    if not any(other.any() for other in others):
        return image
    beside = np.where(mask > 90, np.uint8(0), np.asarray(np.max(others, axis=0), np.uint8))
    hidden = cv2.dilate(beside, np.ones((5, 5), np.uint8))
    alpha = cv2.resize(hidden, (width, height), interpolation=cv2.INTER_LINEAR)[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(image + (background_rgb - image.astype(np.float32)) * alpha), np.uint8)


def remove_person(
    frame_rgb: ImageRGB,
    mask: NDArray[np.uint8],
    background_rgb: ImageRGB,
    pose: Pose,
    passing: PassingObject | None = None,
    others: NDArray[np.uint8] | None = None,
) -> Removal:
    """Take the person out of a frame uint8 [H,W,3].

    mask: of the person, uint8 [h,w] of any size, 255 = person. background_rgb: of this frame, uint8 [H,W,3], in its light.
    pose: the person's keypoints [K] in frame px. passing: a thing that the mask may take for a part of the person. others: what
    is seen of people who stay, as `mask`.
    """
    height, width = frame_rgb.shape[:2]
    person = _resized(mask, (width, height))
    left, top, box_width, box_height = cv2.boundingRect((person > 64).view(np.uint8))
    if not box_width:
        return Removal(frame_rgb)
    size_px = max(box_width, box_height)
    pad = round(1.2 * _REACH * size_px)
    part = (
        slice(max(0, top - pad), min(height, top + box_height + pad)),
        slice(max(0, left - pad), min(width, left + box_width + pad)),
    )
    frame, background = (image[part].astype(np.float32) for image in (frame_rgb, background_rgb))
    is_person, other = person[part], _other_object(frame, background)
    difference = np.asarray(cv2.blur(np.abs(frame - background).max(axis=2), (5, 5)), np.float32)
    shaded = np.clip(difference / _NOISE_LEVELS, 0, 1) * (
        1 - np.maximum(other, _whole_objects(is_person, difference, other, size_px))
    )
    stays = None if others is None else _resized(others, (width, height))[part]
    if stays is not None:
        shaded = shaded * _nearer_than(is_person, stays, size_px)
        other = np.where(cv2.dilate(stays, np.ones((5, 5), np.uint8)) > 25, np.float32(0), other)
    weight = _weight(is_person, np.asarray(shaded, np.float32), size_px)
    if stays is not None:
        weight *= 1 - stays.astype(np.float32) / 255
    image = frame_rgb.copy()
    image[part] = np.rint(frame + (background - frame) * weight[..., None])
    corner = np.array([part[1].start, part[0].start], np.float32)
    moved = Pose(pose.xy - corner, pose.confidence)
    hiding = _hiding(is_person, other, moved, size_px)
    passed = None if passing is None else passing.alpha(frame_rgb[part], is_person, other, moved, size_px)
    if hiding is None and passed is None:
        return Removal(image)
    alpha = np.max([each for each in (hiding, passed) if each is not None], axis=0)
    front = np.zeros((height, width, 4), np.uint8)
    front[part][..., :3], front[part][..., 3] = frame_rgb[part], np.rint(255 * alpha)
    return Removal(image, front)


def _other_object(frame: FloatArray, background: FloatArray) -> FloatArray:
    """How surely each pixel shows neither the background nor a shadow on it: float32 [h,w] in [0,1]."""
    frame, background = (np.asarray(cv2.blur(image, (3, 3)), np.float32) + _LIFT for image in (frame, background))
    product, square = (cv2.transform(image, np.ones((1, 3), np.float32)) for image in (frame * background, background**2))
    shade = np.clip(product / square, _DARKEST, _BRIGHTEST)[..., None]
    difference = np.abs(frame - shade * background).max(axis=2)
    low, high = _OBJECT_LEVELS
    return np.asarray(np.clip((difference - low) / (high - low), 0, 1), np.float32)


def _whole_objects(person: NDArray[np.uint8], difference: FloatArray, other: FloatArray, size_px: int) -> FloatArray:
    """The pieces beside the person that are something else: float32 [h,w], 1 there.

    difference: to the background, in levels. other: how surely each pixel by itself is something else.
    """
    sure = cv2.morphologyEx(((other > 0.5) & (person < 90)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    differs = ((difference > _SHADOW_LEVELS) & (person < 90)).astype(np.uint8)
    count, pieces = cv2.connectedComponents(cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    area = np.maximum(np.bincount(pieces.ravel(), minlength=count), 1)
    share = np.bincount(pieces[sure > 0], minlength=count) / area
    share[0], share[area < _MIN_OBJECT * size_px**2] = 0, 0
    gap_px = round(_OBJECT_GAP * size_px) | 1
    kept = cv2.dilate((share > _OBJECT_SHARE)[pieces].astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(cv2.morphologyEx(kept, cv2.MORPH_CLOSE, np.ones((gap_px, gap_px), np.uint8)), np.float32)


def _weight(person: NDArray[np.uint8], shaded: FloatArray, size_px: int) -> FloatArray:
    """How far the background is shown: float32 [h,w] in [0,1]. shaded: the same, how surely a shadow lies on it."""
    away_px = cv2.distanceTransform((person <= 25).astype(np.uint8), cv2.DIST_L2, 5)
    core_px, reach_px = max(2.0, _CORE * size_px), max(4.0, _REACH * size_px)
    core = np.clip(2 - away_px / core_px, 0, 1)
    around = np.clip(4 - 4 * away_px / reach_px, 0, 1)
    return np.asarray(np.maximum(core, around * cv2.erode(shaded, np.ones((3, 3), np.uint8))), np.float32)


def _resized(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _nearer_than(person: NDArray[np.uint8], others: NDArray[np.uint8], size_px: int) -> FloatArray:
    """Where the person is nearer than the others, whose shadows lie around them: float32 [h,w], 0.5 halfway."""
    if not (others > 25).any():
        return np.ones(person.shape, np.float32)
    away, other_away = (cv2.distanceTransform((mask <= 25).astype(np.uint8), cv2.DIST_L2, 5) for mask in (person, others))
    return np.asarray(np.clip(0.5 + (other_away - away) / (_BETWEEN * size_px), 0, 1), np.float32)


def _hiding(person: NDArray[np.uint8], other: FloatArray, pose: Pose, size_px: int) -> FloatArray | None:
    """Alpha of what is seen in front of the body, float32 [h,w]; None if nothing is.

    An object is what differs from the background and is not the person, in one piece; it is in front if it lies where the body
    must be.
    """
    objects = ((other > 0.5) & (person < 90)).astype(np.uint8)
    objects = np.asarray(cv2.morphologyEx(objects, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    hidden = (objects > 0) & (body_area(pose, person.shape, size_px) > 0)
    if hidden.sum() < _MIN_HIDDEN * size_px**2:
        return None
    count, pieces = cv2.connectedComponents(objects)
    covers = np.bincount(pieces[hidden], minlength=count) >= _MIN_HIDDEN * size_px**2
    covers[0] = False
    if not covers.any():
        return None
    return np.asarray(cv2.GaussianBlur(covers[pieces].astype(np.float32), (0, 0), 1.0), np.float32)
