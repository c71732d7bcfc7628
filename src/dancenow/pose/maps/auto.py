"""The default: the map that measured best on rendered dancers whose true transfer is known, where the tracks allow it.

On exact and detected tracks `bones` won over every other map; it falls back to the paper's where a body is too little seen.
"""

from typing import Final

from dancenow.pose.body import MIN_CONFIDENCE
from dancenow.pose.maps.base import PoseMap
from dancenow.pose.maps.bones import fit_bones
from dancenow.pose.maps.paper import fit_paper
from dancenow.skeleton import INDEX
from dancenow.types import PoseTrack

NEEDED: Final = ("neck", "right_hip", "left_hip", "right_knee", "left_knee")
MIN_SHARE: Final = 0.25
"""Of the frames, those that must show a joint for its bones to be measured."""


def fit_auto(source: PoseTrack, target: PoseTrack) -> PoseMap:
    """`bones` where both tracks show torso and thighs often enough to be measured, else `paper`.

    Raises:
        UserError: a track shows too little of the body for either.
    """
    if _shows_body(source) and _shows_body(target):
        return fit_bones(source, target)
    return fit_paper(source, target)


def _shows_body(track: PoseTrack) -> bool:
    seen = track.pose.confidence[:, [INDEX[name] for name in NEEDED]] >= MIN_CONFIDENCE
    return bool(seen.mean(axis=0).min() >= MIN_SHARE)
