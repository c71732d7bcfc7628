"""A cut separates what comes before it from what comes after: filters, crops, retargeting, tracking and files."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.media.sink import VideoWriter
from dancenow.pose.person_crop import track_crop
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.registry import fit_retargeter, load_retargeter, retarget
from dancenow.pose.retargeting.shots import CameraViews
from dancenow.pose.track_io import load_track, save_track
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, Pose, PoseTrack
from helpers.drawn_world import FPS, dancer_track, person
from helpers.silhouette_detector import SilhouetteDetector

HALF = 60
HEELS = [INDEX["right_heel"], INDEX["left_heel"]]


def pipeline() -> PosePipeline:
    return PosePipeline(SilhouetteDetector())


def zoomed(track: PoseTrack, start: int, scale: float = 1.4, shift: tuple[float, float] = (-20.0, -30.0)) -> PoseTrack:
    """The track, seen from nearer from a frame on, which is a cut."""
    xy = track.pose.xy.copy()
    xy[start:] = xy[start:] * np.float32(scale) + np.array(shift, np.float32)
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth), cuts=(start,))


def test_cuts_are_inside_the_track_and_increase() -> None:
    track = dancer_track(20)
    for cuts in ((0,), (20,), (9, 5)):
        with pytest.raises(ValueError, match="cuts"):
            replace(track, cuts=cuts)
    assert replace(track, cuts=(5, 9)).part(3, 12).cuts == (2, 6)
    assert replace(track, cuts=(5, 9)).shots == (slice(0, 5), slice(5, 9), slice(9, 20))


def test_a_track_keeps_its_cuts_in_a_file(tmp_path: Path) -> None:
    save_track(tmp_path / "track.npz", replace(dancer_track(20), cuts=(5, 9)))
    assert load_track(tmp_path / "track.npz").cuts == (5, 9)


@pytest.mark.parametrize("step", ["smooth", "filter"])
def test_no_filter_smooths_across_a_cut(step: str) -> None:
    track = zoomed(dancer_track(2 * HALF), HALF)
    whole = getattr(pipeline(), step)(track)
    for shot in track.shots:
        alone = getattr(pipeline(), step)(track.part(shot.start, shot.stop))
        np.testing.assert_array_equal(whole.pose.xy[shot], alone.pose.xy)


def test_a_gap_at_a_cut_is_not_filled() -> None:
    track = zoomed(dancer_track(2 * HALF), HALF)
    confidence, status = track.pose.confidence.copy(), track.status.copy()
    confidence[HALF - 2 : HALF + 2], status[HALF - 2 : HALF + 2] = 0, FrameStatus.MISSING
    gap = replace(track, pose=Pose(track.pose.xy, confidence), status=status)
    assert (pipeline().smooth(gap).status[HALF - 2 : HALF + 2] == FrameStatus.MISSING).all()


def test_the_crop_jumps_at_a_cut() -> None:
    track = zoomed(dancer_track(2 * HALF), HALF)
    crops = track_crop(track.pose, track.time_s, 64, track.cuts)
    for shot in track.shots:
        alone = track_crop(track.pose[shot], track.time_s[shot], 64)
        assert [crop.to_canvas.tolist() for crop in crops[shot]] == [crop.to_canvas.tolist() for crop in alone]


def test_a_shot_without_anybody_has_the_crop_of_another() -> None:
    track = dancer_track(2 * HALF)
    confidence = track.pose.confidence.copy()
    confidence[HALF:] = 0
    crops = track_crop(Pose(track.pose.xy, confidence), track.time_s, 64, (HALF,))
    assert (crops[-1].to_canvas == crops[HALF - 1].to_canvas).all()


@pytest.mark.parametrize("kind", ["paper", "skeletal"])
def test_size_and_ground_are_the_same_in_all_views(kind: str) -> None:
    """The dance goes on after a zoom; in the target it does so in one place and size."""
    whole, target = dancer_track(2 * HALF), dancer_track(2 * HALF, phase=0.7, body_px=100.0, size_px=160)
    source = zoomed(whole, HALF)
    fitted = fit_retargeter(kind, source, target)  # type: ignore[arg-type]
    result = retarget(source, fitted, target)
    tall_px, ground_px = np.ptp(result.pose.xy[..., 1], axis=1), result.pose.xy[:, HEELS, 1].max(axis=1)
    assert np.median(tall_px[HALF:]) == pytest.approx(np.median(tall_px[:HALF]), rel=0.05)
    assert np.median(ground_px[HALF:]) == pytest.approx(np.median(ground_px[:HALF]), abs=5)
    assert "2 camera views" in str(fitted)
    np.testing.assert_array_equal(load_retargeter(fitted.to_json())(source.pose).xy, fitted(source.pose).xy)


def test_shots_of_one_view_are_fitted_together() -> None:
    source, target = replace(dancer_track(2 * HALF), cuts=(HALF,)), dancer_track(HALF, phase=0.7, body_px=100.0, size_px=160)
    fitted = fit_retargeter("paper", source, target, views=CameraViews((0, 0), (None,)))
    uncut = fit_retargeter("paper", replace(source, cuts=()), target)
    assert str(fitted) == str(uncut)


def test_a_moment_is_mapped_as_the_rest() -> None:
    source, target = zoomed(dancer_track(2 * HALF), 2 * HALF - 5, 1.0, (0.0, 0.0)), dancer_track(HALF)
    assert "camera views" not in str(fit_retargeter("paper", source, target))


def test_only_whole_tracks_are_retargeted_by_shot() -> None:
    source = zoomed(dancer_track(2 * HALF), HALF)
    with pytest.raises(ValueError, match="whole track of 120 frames"):
        fit_retargeter("paper", source, dancer_track(HALF))(source.pose[3])


def test_other_shots_and_fades_show_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dancer, a second of leaves, the dancer again, who fades to black."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    track = dancer_track(2 * HALF)
    leaves = np.random.default_rng(3).normal(0, 900, (128, 128, 1)).astype(np.float32)
    garden = np.array([60, 120, 50], np.float32) + cv2.GaussianBlur(leaves, (0, 0), 4)[..., None]
    images = [person(track.pose[index])[0] for index in range(2 * HALF)]
    images[HALF:HALF] = [np.clip(garden, 0, 255).astype(np.uint8)] * FPS
    with VideoWriter(tmp_path / "cut.mp4", 128, 128, fps=Fraction(FPS)) as writer:
        for index, image in enumerate(images):
            light = min(1.0, max(0.0, (len(images) - 6 - index) / 12))
            writer.write(np.asarray(cv2.convertScaleAbs(image, alpha=light), np.uint8), Fraction(index, FPS))
    found = pipeline().track(tmp_path / "cut.mp4", use_cache=False)
    assert found.cuts[:2] == (HALF, HALF + FPS)
    assert found.cuts[2] == pytest.approx(len(images) - 18, abs=2)
    dances = np.r_[:HALF, HALF + FPS : found.cuts[2]]
    assert set(np.flatnonzero(found.status == FrameStatus.MEASURED)) == set(dances)
