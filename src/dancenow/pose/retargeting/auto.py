"""The default retargeter: `none` for one person in one video, else `skeletal` where the body is visible, else `paper`.

On rendered people whose true transfer is known, `skeletal` is best with exact keypoints and with detected ones
(benchmarks/2026-11-25-normalize-laptop.json): it models the position on the floor, and weights measurements by their certainty.
It needs torso and thighs; where these are rarely visible, the paper's mapping is used, which needs less.
"""

from typing import Final

from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.retargeting.base import IdentityRetargeter, Retargeter
from dancenow.pose.retargeting.global_scale import fit_global_scale
from dancenow.pose.retargeting.same_person import is_same_person
from dancenow.pose.retargeting.skeletal import fit_skeletal
from dancenow.skeleton import INDEX
from dancenow.types import PoseTrack

NEEDED: Final = ("neck", "right_hip", "left_hip", "right_knee", "left_knee")
MIN_VISIBLE: Final = 0.25
"""Fraction of the frames that must show a joint for its bones to be measured."""
MAX_DISAGREEMENT: Final = 0.15
"""If bones disagree more about the body's size (median), they are not measured from one body."""


def fit_auto(source: PoseTrack, target: PoseTrack, same_camera: bool | None = None) -> Retargeter:
    """`none` for one person in one video; else `skeletal` where torso and thighs are visible and bones agree; else `paper`.

    same_camera: as in `fit_skeletal`.

    Raises:
        UserError: a track shows too little of the body for either.
    """
    if is_same_person(source, target):
        return IdentityRetargeter()
    if shows_body(source) and shows_body(target):
        skeletal = fit_skeletal(source, target, same_camera)
        if max(skeletal.source.size_uncertainty, skeletal.target.size_uncertainty) <= MAX_DISAGREEMENT:
            return skeletal
    return fit_global_scale(source, target)


def shows_body(track: PoseTrack) -> bool:
    """Whether torso and thighs are visible often enough for a body to be measured."""
    seen = track.pose.confidence[:, [INDEX[name] for name in NEEDED]] >= MIN_CONFIDENCE
    return bool(seen.mean(axis=0).min() >= MIN_VISIBLE)
