"""The default: the map that measured best on rendered dancers whose true transfer is known, where the tracks allow it.

With exact depth `bones` was best (keypoint error 2.0% of the height, the paper's map 3.4%); with a detector's, exaggerated, the
paper's was (3.4% and 6.9% on two sets of clips, bones 4.5% and 7.1%; benchmarks/2026-11-22-normalize-laptop.json). So depth
decides: it is good where it keeps the length of bones as it comes.
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


MIN_DEPTH_GAIN: Final = 0.7
"""Depth that must be shrunk to less than this to keep the length of bones is not to be trusted."""


def fit_auto(source: PoseTrack, target: PoseTrack) -> PoseMap:
    """`bones` where both tracks show torso and thighs often enough to be measured and their depth is sound, else `paper`.

    Raises:
        UserError: a track shows too little of the body for either.
    """
    if _shows_body(source) and _shows_body(target):
        bones = fit_bones(source, target)
        if min(bones.source.depth_gain, bones.target.depth_gain) >= MIN_DEPTH_GAIN:
            return bones
    return fit_paper(source, target)


def _shows_body(track: PoseTrack) -> bool:
    seen = track.pose.confidence[:, [INDEX[name] for name in NEEDED]] >= MIN_CONFIDENCE
    return bool(seen.mean(axis=0).min() >= MIN_SHARE)
