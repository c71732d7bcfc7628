"""Divide a frame into person, background, and the band between them in which the matte is computed: the trimap.

The detector's mask is coarse and sometimes wrong. What clearly shows the background becomes part of the band even inside the
mask (a gap between arm and trunk), and so does what clearly does not and is joined to the person (hair, a skirt, a shoe).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.subject.matte.background_match import BackgroundMatch
from dancenow.subject.matte.color_sampling import disc
from dancenow.types import FloatArray

Map = NDArray[np.bool_]
OUTSIDE_DETAILS: Final = 2.5
"""Distance from the detector's mask, in its px, from which on there surely is no person, unless other colors say so."""

_MAX_GAP_DETAILS: Final = 5.0
"""Half of the width of a gap that the detector may miss, in its px."""


@dataclass(frozen=True, eq=False)
class Regions:
    """bool [h,w] maps. person, band: as above; the rest is background. colored: shows a color of the person, unmixed."""

    person: Map
    band: Map
    colored: Map


def distance_outside(mask: NDArray[np.uint8]) -> FloatArray:
    """The distance in px to the detector's mask [h,w], 0 inside it."""
    return np.asarray(cv2.distanceTransform((mask <= 10).astype(np.uint8), cv2.DIST_L2, 3), np.float32)


def find_regions(mask: NDArray[np.uint8], away_px: FloatArray, match: BackgroundMatch, detail_px: float) -> Regions:
    """Divide a frame.

    mask: the detector's, uint8 [h,w]. away_px: `distance_outside`. detail_px: a px of the detector's mask.
    """
    is_known = match.trust > 0.3
    like = (is_known & (cv2.blur(match.difference, (3, 3)) < 3)).astype(np.uint8)
    other = (match.trust > 0.6) & (cv2.blur(match.shadow_difference, (3, 3)) > 16)
    core = cv2.erode((mask > 230).astype(np.uint8), disc(2 * detail_px)) > 0
    person = core & (cv2.dilate(_gaps(like, core, detail_px), disc(0.5 * detail_px)) == 0)
    joined = _joined_to(person, (mask > 128) | (other & (away_px < 8 * detail_px)), mask > 128, detail_px)
    near = cv2.dilate(((mask > 10) | joined).astype(np.uint8), disc(detail_px)) > 0
    unmixed = cv2.erode((other & joined & (mask > 100)).astype(np.uint8), disc(1)) > 0
    return Regions(person, near & ~person, person | unmixed)


def _gaps(like: NDArray[np.uint8], core: Map, detail_px: float) -> NDArray[np.uint8]:
    """Parts of the core that show the background: broad ones, because spots like it may be the pattern of a dress.

    But not too broad: those the detector would have seen, so the clothes have the background's color.
    """
    closed = ((cv2.morphologyEx(like, cv2.MORPH_CLOSE, disc(detail_px)) > 0) & core).astype(np.uint8)
    _, parts = cv2.connectedComponents(closed)
    depth_px = cv2.distanceTransform(closed, cv2.DIST_L2, 3)
    is_clothing = np.zeros(int(parts.max()) + 1, bool)
    is_clothing[parts[depth_px > _MAX_GAP_DETAILS * detail_px]] = True
    broad = cv2.morphologyEx(like, cv2.MORPH_OPEN, disc(1.5 * detail_px))
    gaps = (cv2.dilate(broad, disc(4 * detail_px)) > 0) & (like > 0) & ~is_clothing[parts]
    return np.asarray(gaps, np.uint8)


def _joined_to(person: Map, candidates: Map, always: Map, detail_px: float) -> Map:
    """The components of the candidates that touch the person, without thin bridges."""
    opened = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_OPEN, disc(detail_px)) > 0
    _, parts = cv2.connectedComponents((opened | always).astype(np.uint8))
    kept = np.zeros(int(parts.max()) + 1, bool)
    kept[parts[person]] = True
    kept[0] = False
    return np.asarray(kept[parts])
