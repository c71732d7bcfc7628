"""Summarize per-frame measurements as metrics: one value each, and its curve over time.

This module defines which metrics there are, their order, their units and which direction is better.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dancenow.evaluation.frame_metrics import REGIONS, FrameScores, Region
from dancenow.evaluation.identity_similarity import ASPECTS, Aspect, IdentitySimilarity
from dancenow.metrics.images import frechet_distance
from dancenow.metrics.motion import flicker_ratio, stalling, stalling_curve
from dancenow.metrics.poses import PARTS, foot_sliding, ground_error, missed_keypoints, pose_distance_px, torso_px
from dancenow.types import FrameStatus, Pose, PoseTrack

Curve = NDArray[np.float64]
Better = Literal["higher", "lower"]

MIN_DESCRIPTORS: Final = 8
"""A Fréchet distance of fewer frames is meaningless."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A score of one video, before the ideal is added; the fields are those of `evaluator.Score`."""

    name: str
    region: str
    unit: str
    better: Better
    curve: Curve
    value: float


def image_metrics(own: Sequence[FrameScores], reference: Sequence[FrameScores]) -> list[Metric]:
    """Pixel metrics, deep features and flicker of one video; LPIPS only where it was measured.

    own, reference: results of `FrameMetrics.measure` for the video's frames and the reference's own.
    """

    def per_region(name: str, unit: str, better: Better, of: Callable[[FrameScores], dict[Region, float]]) -> list[Metric]:
        values = [of(score) for score in own]
        curves = [(region, np.array([value.get(region, math.nan) for value in values])) for region in REGIONS]
        return [_mean_metric(name, region, unit, better, curve) for region, curve in curves]

    metrics = per_region("SSIM", "", "higher", lambda score: score.ssim)
    metrics += per_region("PSNR", "dB", "higher", lambda score: score.psnr_db)
    metrics += per_region("perceptual", "", "lower", lambda score: score.perceptual)
    if any(score.lpips for score in own):
        metrics += per_region("LPIPS", "", "lower", lambda score: score.lpips)
    errors, true_errors = (np.array([score.warping_error for score in scores]) for scores in (own, reference))
    metrics.append(Metric("flicker", "person", "x", "lower", errors, flicker_ratio(errors, true_errors)))
    changes, true_changes = (np.array([score.frame_change for score in scores]) for scores in (own, reference))
    stalled = stalling_curve(changes, true_changes)
    metrics.append(Metric("stalling", "person", "", "lower", stalled, stalling(changes, true_changes)))
    sets = [np.array([s.descriptor for s in scores if s.descriptor is not None]) for scores in (own, reference)]
    distance = frechet_distance(*sets) if len(sets[0]) >= MIN_DESCRIPTORS else math.nan
    metrics.append(Metric("Fréchet", "person", "", "lower", np.array([]), distance))
    return metrics


def identity_metrics(to_target: Sequence[IdentitySimilarity], to_source: Sequence[IdentitySimilarity] | None) -> list[Metric]:
    """Identity of body and face in one video, per frame; against the source only if there is one."""
    target = {aspect: _similarity_curve(to_target, aspect) for aspect in ASPECTS}
    metrics = [_mean_metric("identity", aspect, "", "higher", curve) for aspect, curve in target.items()]
    if to_source is not None:
        source = {aspect: _similarity_curve(to_source, aspect) for aspect in ASPECTS}
        metrics += [_mean_metric("identity of the source", aspect, "", "lower", curve) for aspect, curve in source.items()]
        metrics += [
            _mean_metric("identity margin", aspect, "", "higher", target[aspect] - source[aspect]) for aspect in ASPECTS
        ]
    return metrics


def pose_metrics(own: PoseTrack, reference: PoseTrack) -> list[Metric]:
    """Positions of the body and its feet, of one video's track against the reference's."""
    ruler_px = torso_px(reference)
    distances_px = {part: pose_distance_px(own.pose, reference.pose, part) for part in PARTS}
    metrics = [_mean_metric("pose distance", part, "px", "lower", curve) for part, curve in distances_px.items()]
    metrics += [
        _mean_metric("pose distance, relative", part, "torso", "lower", curve / ruler_px)
        for part, curve in distances_px.items()
    ]
    missed = missed_keypoints(_without_filled(own), _without_filled(reference))
    metrics.append(_mean_metric("missed keypoints", "all", "per frame", "lower", missed))
    metrics.append(_mean_metric("foot sliding", "feet", "torso/s", "lower", foot_sliding(own, reference)))
    metrics.append(_mean_metric("ground error", "feet", "torso", "lower", ground_error(own, reference)))
    return metrics


def _without_filled(track: PoseTrack) -> Pose:
    """Set the confidence of filled-in poses to 0: a missed detection must not be hidden by neighboring frames."""
    seen = (track.status == FrameStatus.MEASURED)[:, None]
    return Pose(track.pose.xy, np.where(seen, track.pose.confidence, 0).astype(np.float32), track.pose.depth)


def _mean_metric(name: str, region: str, unit: str, better: Better, curve: Curve) -> Metric:
    known = curve[np.isfinite(curve)]
    return Metric(name, region, unit, better, curve, float(known.mean()) if len(known) else math.nan)


def _similarity_curve(similarities: Sequence[IdentitySimilarity], aspect: Aspect) -> Curve:
    return np.array([getattr(similarity, aspect) for similarity in similarities], np.float64)
