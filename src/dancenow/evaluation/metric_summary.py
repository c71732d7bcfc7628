"""From what was measured on every frame to the figures of a table: one number each, and its course over time.

Which figures there are, in which order, in which unit and which way is better, is said here and nowhere else.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dancenow.evaluation.frame_metrics import REGIONS, PictureScores, Region
from dancenow.evaluation.identity_similarity import ASPECTS, Aspect, Likeness
from dancenow.metrics.images import frechet_distance
from dancenow.metrics.motion import flicker_ratio, stalling, stalling_curve
from dancenow.metrics.poses import PARTS, foot_sliding, ground_error, missed_keypoints, pose_distance_px, torso_px
from dancenow.types import FrameStatus, Pose, PoseTrack

Curve = NDArray[np.float64]
Better = Literal["higher", "lower"]

MIN_DESCRIPTIONS: Final = 8
"""A Fréchet distance of fewer frames says nothing."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A score of one video, before the ideal is put beside it; the fields are those of `evaluation.Score`."""

    name: str
    region: str
    unit: str
    better: Better
    curve: Curve
    value: float


def picture_figures(own: Sequence[PictureScores], reference: Sequence[PictureScores]) -> list[Metric]:
    """Pixels, deep features and flicker of one video; LPIPS only where it was measured.

    own, reference: what `compare.FrameMetrics` says of the video's frames and of the reference's own.
    """

    def per_region(name: str, unit: str, better: Better, of: Callable[[PictureScores], dict[Region, float]]) -> list[Metric]:
        values = [of(score) for score in own]
        curves = [(region, np.array([value.get(region, math.nan) for value in values])) for region in REGIONS]
        return [_mean(name, region, unit, better, curve) for region, curve in curves]

    figures = per_region("SSIM", "", "higher", lambda score: score.ssim)
    figures += per_region("PSNR", "dB", "higher", lambda score: score.psnr_db)
    figures += per_region("perceptual", "", "lower", lambda score: score.perceptual)
    if any(score.lpips for score in own):
        figures += per_region("LPIPS", "", "lower", lambda score: score.lpips)
    errors, true_errors = (np.array([score.warping_error for score in scores]) for scores in (own, reference))
    figures.append(Metric("flicker", "person", "x", "lower", errors, flicker_ratio(errors, true_errors)))
    changes, true_changes = (np.array([score.change for score in scores]) for scores in (own, reference))
    stalled = stalling_curve(changes, true_changes)
    figures.append(Metric("stalling", "person", "", "lower", stalled, stalling(changes, true_changes)))
    sets = [np.array([s.description for s in scores if s.description is not None]) for scores in (own, reference)]
    distance = frechet_distance(*sets) if len(sets[0]) >= MIN_DESCRIPTIONS else math.nan
    figures.append(Metric("Fréchet", "person", "", "lower", np.array([]), distance))
    return figures


def identity_figures(to_target: Sequence[Likeness], to_source: Sequence[Likeness] | None) -> list[Metric]:
    """Whose body and face one video shows, frame by frame; against the source only if there is one."""
    target = {aspect: _curve_of(to_target, aspect) for aspect in ASPECTS}
    figures = [_mean("identity", aspect, "", "higher", curve) for aspect, curve in target.items()]
    if to_source is not None:
        source = {aspect: _curve_of(to_source, aspect) for aspect in ASPECTS}
        figures += [_mean("identity of the source", aspect, "", "lower", curve) for aspect, curve in source.items()]
        figures += [_mean("identity margin", aspect, "", "higher", target[aspect] - source[aspect]) for aspect in ASPECTS]
    return figures


def pose_figures(own: PoseTrack, reference: PoseTrack) -> list[Metric]:
    """Where the body and its feet are, of one video's track against the reference's."""
    ruler_px = torso_px(reference)
    distances_px = {part: pose_distance_px(own.pose, reference.pose, part) for part in PARTS}
    figures = [_mean("pose distance", part, "px", "lower", curve) for part, curve in distances_px.items()]
    figures += [
        _mean("pose distance, relative", part, "torso", "lower", curve / ruler_px) for part, curve in distances_px.items()
    ]
    missed = missed_keypoints(_measured(own), _measured(reference))
    figures.append(_mean("missed keypoints", "all", "per frame", "lower", missed))
    figures.append(_mean("foot sliding", "feet", "torso/s", "lower", foot_sliding(own, reference)))
    figures.append(_mean("ground error", "feet", "torso", "lower", ground_error(own, reference)))
    return figures


def _measured(track: PoseTrack) -> Pose:
    """What was seen and not filled in: a miss must not be hidden by its neighbours."""
    seen = (track.status == FrameStatus.MEASURED)[:, None]
    return Pose(track.pose.xy, np.where(seen, track.pose.confidence, 0).astype(np.float32), track.pose.depth)


def _mean(name: str, region: str, unit: str, better: Better, curve: Curve) -> Metric:
    known = curve[np.isfinite(curve)]
    return Metric(name, region, unit, better, curve, float(known.mean()) if len(known) else math.nan)


def _curve_of(likenesses: Sequence[Likeness], aspect: Aspect) -> Curve:
    return np.array([getattr(likeness, aspect) for likeness in likenesses], np.float64)
