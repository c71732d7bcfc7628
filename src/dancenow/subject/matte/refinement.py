"""Refine the detector's matte: difference matting against the known background in a trimap, and a guided filter.

    frame, mask, background --> analyze: light, trust, trimap and colors, on a coarse grid
                            --> estimate: alpha of each pixel of the band, and how far it is to be trusted
                            --> guided filter: carries what is trusted along the image to where nothing is known

Where the background is unknown, or has the person's colors, the frame's own colors and the detector's matte decide.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.matte.analysis import Analysis, View, analyze, brightest_shade, grid_step
from dancenow.subject.matte.background_match import relit
from dancenow.subject.matte.color_sampling import sample_grid
from dancenow.subject.matte.guided_filter import guided_coefficients
from dancenow.subject.matte.mixing import best_of, dot, unmix
from dancenow.types import FloatArray, ImageRGB, Plate

_MARGIN: Final = 0.14
"""What is looked at around the detector's mask, as a fraction of the person's size."""
_MIN_PERSON_PX: Final = 120
"""In smaller people a px of the detector is half of one of the frame: a refined matte is no better."""
_DETECTOR_WEIGHT: Final = 0.12
"""Weight of the detector's matte, relative to a certain color."""
_EXACT_VARIANCE: Final = 3 * 4.0**2
_FRAME_VARIANCE: Final = 3 * 15.0**2
"""How exactly colors of the frame tell those of the background beside them: variance of the sum over the channels."""
_FRAME_ERROR: Final = 0.56
_EPSILON: Final = 3e-4
"""Variance of colors in [0,1] below which the guided filter takes a window for flat."""
_SHADOW_HANDICAP: Final = 1.0
_SOLID: Final = 0.04
"""Alpha less than this is 0, and more than 1 - this is 1."""


def refine_matte(frame_rgb: ImageRGB, detector_mask: NDArray[np.uint8], background: Plate) -> NDArray[np.uint8]:
    """Compute the soft mask of the person, uint8 [H,W] in the size of the frame, 255 = person.

    frame_rgb: uint8 [H,W,3]. detector_mask: uint8 [h,w], coarse, of any size. background: of this frame, in its px, [H,W]; its
    light may differ. Shadows are not part of the person. The mask of a small person is only enlarged.
    """
    height, width = frame_rgb.shape[:2]
    mask = np.asarray(cv2.resize(detector_mask, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    left, top, box_width, box_height = cv2.boundingRect((mask > 64).view(np.uint8))
    person_px = max(box_width, box_height)
    if person_px < _MIN_PERSON_PX:
        return mask
    pad, step = round(_MARGIN * person_px), grid_step(person_px)
    part = (_span(top - pad, top + box_height + pad, height, step), _span(left - pad, left + box_width + pad, width, step))
    view = View(frame_rgb[part], mask[part], background.image_rgb[part], background.known[part], person_px, step)
    analysis = analyze(view)
    if analysis is None:
        return mask
    matte = np.zeros_like(mask)
    matte[part] = _refine(view, analysis)
    return matte


def _span(start: int, stop: int, length: int, step: int) -> slice:
    """The part of start to stop within 0 to length, cut to a multiple of `step`."""
    start, stop = max(0, start), min(stop, length)
    return slice(start, start + (stop - start) // step * step)


def _refine(view: View, analysis: Analysis) -> NDArray[np.uint8]:
    """The matte of a view, uint8 [h,w]."""
    size, step = view.mask.shape[::-1], view.step
    person, band = (
        np.asarray(cv2.resize(each.view(np.uint8), size, interpolation=cv2.INTER_NEAREST))
        for each in (analysis.regions.person, analysis.regions.band)
    )
    at = np.flatnonzero(band)
    value, trust = _estimate(view, analysis, at)
    alpha, weight = person.astype(np.float32), np.ones(band.shape, np.float32)
    alpha.ravel()[at], weight.ravel()[at] = value, np.maximum(trust, np.float32(0.05))
    coarse_size = (size[0] // step, size[1] // step)
    coarse_alpha, coarse_weight = (
        np.asarray(cv2.resize(each, coarse_size, interpolation=cv2.INTER_AREA), np.float32) for each in (alpha, weight)
    )
    coefficients = guided_coefficients(
        analysis.image * np.float32(1 / 255),
        coarse_alpha,
        coarse_weight,
        radius_px=1.5 * view.detail_px / step,
        epsilon=_EPSILON,
    )
    doubt = 1 - np.clip((trust - np.float32(0.3)) / np.float32(0.5), 0, 1)
    doubtful = np.flatnonzero(doubt)
    slopes = sample_grid(coefficients, *np.divmod(at[doubtful], size[0]), step)
    color = view.frame.reshape(-1, 3)[at[doubtful]].T * np.float32(1 / 255)
    smooth = np.clip(dot(slopes[:3], color) + slopes[3], 0, 1)
    value[doubtful] += (smooth - value[doubtful]) * doubt[doubtful]
    alpha.ravel()[at] = np.clip((value - np.float32(_SOLID)) * np.float32(1 / (1 - 2 * _SOLID)), 0, 1)
    return np.asarray(np.rint(alpha * 255), np.uint8)


def _estimate(view: View, analysis: Analysis, at: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Estimate alpha, and how far it is to be trusted, of the pixels `at` (flat): both float32 [N] in [0,1]."""
    rows, columns = np.divmod(at, view.mask.shape[1])
    coarse_at = rows // view.step * analysis.distance.shape[1] + columns // view.step

    def pick(grid: FloatArray) -> FloatArray:
        if grid.ndim == 2:
            return np.asarray(grid.ravel()[coarse_at], np.float32)
        return np.ascontiguousarray(grid.reshape(-1, 3)[coarse_at].T, np.float32)

    color, plate = (np.ascontiguousarray(image.reshape(-1, 3)[at].T.astype(np.float32)) for image in (view.frame, view.plate))
    match = analysis.match
    behind, variance = relit(plate, pick(match.gain)), pick(match.variance)
    known = pick(match.trust) * view.known.ravel()[at]
    detector = view.mask.ravel()[at] * np.float32(1 / 255)
    darkest, nearest = pick(analysis.least_shade), pick(analysis.nearest_person)
    shade = np.clip(dot(color, behind) / np.maximum(dot(behind, behind), 1), darkest, brightest_shade(darkest))
    in_shadow = unmix(color, nearest, np.asarray(shade * behind, np.float32), variance)
    in_shadow.error[:] += np.float32(_SHADOW_HANDICAP)
    mixture = best_of(
        (unmix(color, nearest, behind, variance), unmix(color, pick(analysis.average_person), behind, variance), in_shadow)
    )
    # What no mixture explains, but is not the background either, has a color of the person that was not sampled.
    foreign = np.clip((mixture.error - 8) / 22, 0, 1)
    other = np.clip((pick(match.shadow_difference) - 9) / 27, 0, 1) * np.clip(2.5 * detector, 0, 1)
    alpha = mixture.alpha + foreign * (np.maximum(other, mixture.alpha) - mixture.alpha)
    confidence = mixture.confidence + foreign * (np.float32(0.7) * other - mixture.confidence)
    # Where the person has the background's colors, too, a pixel that looks like the background may be either.
    contrast = pick(analysis.contrast)
    ambiguous = 12 * variance / (contrast + 12 * variance)
    sure = known * confidence * (1 - (1 - alpha) * ambiguous)
    beside = unmix(color, nearest, pick(analysis.nearest_background), pick(analysis.scatter) + np.float32(_FRAME_VARIANCE))
    likely = np.exp(-beside.error * np.float32(_FRAME_ERROR) - pick(analysis.distance) / 3)
    guessed = np.float32(0.6) * (1 - known) * beside.confidence * likely
    total = sure + guessed
    # The detector counts the more, the less exactly colors are known.
    weight = np.float32(_DETECTOR_WEIGHT) * np.clip(variance / np.float32(_EXACT_VARIANCE), 1, 6)
    weighted = sure * alpha + guessed * beside.alpha + weight * detector
    return weighted / (total + weight), np.minimum(total, 1)
