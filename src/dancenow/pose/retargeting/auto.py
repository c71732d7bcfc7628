"""The default: the map that measured best on rendered dancers whose true transfer is known, where the tracks allow it.

`bones` is best with exact keypoints and with detected ones (benchmarks/2026-11-25-normalize-laptop.json): it knows where on
the stage a dance is, and what is not certain counts little in it. It needs torso and thighs; where these are hardly seen, the
paper's map is taken, which needs less.
"""

from typing import Final

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.retargeting.base import Retargeter
from dancenow.pose.retargeting.global_scale import fit_global_scale
from dancenow.pose.retargeting.skeletal import fit_skeletal
from dancenow.skeleton import INDEX
from dancenow.types import PoseTrack

NEEDED: Final = ("neck", "right_hip", "left_hip", "right_knee", "left_knee")
MIN_SHARE: Final = 0.25
"""Of the frames, those that must show a joint for its bones to be measured."""
MAX_DOUBT: Final = 0.15
"""Bones that disagree by more about the body's size, in the middle, belong to no body, or to several."""


def fit_auto(source: PoseTrack, target: PoseTrack, same_camera: bool | None = None) -> Retargeter:
    """`bones` where both tracks show torso and thighs often enough to be measured and their bones agree, else `paper`.

    same_camera: as in `fit_skeletal`.

    Raises:
        UserError: a track shows too little of the body for either.
    """
    if _shows_body(source) and _shows_body(target):
        bones = fit_skeletal(source, target, same_camera)
        if max(bones.source.size_doubt, bones.target.size_doubt) <= MAX_DOUBT:
            return bones
    return fit_global_scale(source, target)


def _shows_body(track: PoseTrack) -> bool:
    seen = track.pose.confidence[:, [INDEX[name] for name in NEEDED]] >= MIN_CONFIDENCE
    return bool(seen.mean(axis=0).min() >= MIN_SHARE)
