"""One test over every pose detector: what tracking and `PosePipeline` may rely on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.pose.detectors import registry
from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.detectors.registry import DETECTORS, create_detector
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack
from helpers.bodies import swaying_track
from helpers.drawn_world import dancer_track, film, person, room
from helpers.silhouette_detector import SilhouetteDetector

DANCE = dancer_track(36)
TRUNK = [INDEX[name] for name in ("neck", "right_hip", "left_hip")]


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with one person whose keypoints are known, and the same place without them."""

    image_rgb: ImageRGB
    empty_rgb: ImageRGB
    pose: Pose


def drawn_sample() -> Sample:
    pose = DANCE.pose[0]
    return Sample(person(pose)[0], room(), pose)


@cache
def rendered_sample() -> Sample:
    from dancenow.research.studio.body import build_body
    from dancenow.research.studio.choreography import DANCES
    from dancenow.research.studio.identity import IDENTITIES
    from dancenow.research.studio.motion import perform, solve
    from dancenow.research.studio.render import render
    from dancenow.research.studio.scene import ROOMS

    body = build_body(IDENTITIES["ada"])
    frame = next(iter(render(body, solve(perform(DANCES["pulse"], 24, 0.1), body), ROOMS["bright"], 384, 384)))
    return Sample(frame.image_rgb, np.full_like(frame.image_rgb, 120), frame.pose)


SAMPLES: dict[str, Callable[[], Sample]] = {
    "silhouette": drawn_sample,
    "blazepose": rendered_sample,
    "blazepose-4crops": rendered_sample,
}
MARKS = {name: (pytest.mark.slow, pytest.mark.pretrained) for name in SAMPLES if name.startswith("blazepose")}


@pytest.fixture(autouse=True)
def silhouette_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DETECTORS, "silhouette", lambda _: SilhouetteDetector())


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The drawn dance, and an empty cache."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    return film(tmp_path / "dance.mp4", DANCE)


@pytest.fixture(params=[*DETECTORS, "silhouette"])
def detector(request: pytest.FixtureRequest) -> PoseDetector:
    return create_detector(request.param)


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in (*DETECTORS, "silhouette")])
def looking(request: pytest.FixtureRequest) -> tuple[PoseDetector, Sample]:
    """A detector that loads its weights, and an image that it is made for."""
    return create_detector(request.param), SAMPLES[request.param]()


def test_it_has_a_versioned_name_and_a_lag_before_any_weights_are_loaded(detector: PoseDetector) -> None:
    assert isinstance(detector, PoseDetector)
    name, version = detector.name.rsplit("/", 1)
    assert name
    assert version.isdigit()
    assert 0 <= detector.correction_lag_s < 5


def test_its_bias_correction_keeps_confidence_status_and_what_is_missing(detector: PoseDetector) -> None:
    measured = swaying_track(60)
    measured.status[20:24] = FrameStatus.MISSING
    measured.pose.confidence[20:24] = 0
    before = measured.pose.xy.copy()
    corrected = detector.correct_bias(measured, measured)
    np.testing.assert_array_equal(corrected.pose.confidence, measured.pose.confidence)
    np.testing.assert_array_equal(corrected.status, measured.status)
    np.testing.assert_array_equal(corrected.pose.xy[20:24], before[20:24])
    np.testing.assert_array_equal(measured.pose.xy, before)
    assert np.abs(corrected.pose.xy - before).max() < 0.2 * np.ptp(before[0, :, 1]), "a correction is small"


def test_it_finds_the_person_and_nobody_in_an_empty_image(looking: tuple[PoseDetector, Sample]) -> None:
    detector, sample = looking
    found = detector.detect(sample.image_rgb)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    landmarks = detector.landmarks(sample.image_rgb, found[0].roi)
    landmarks = detector.landmarks(sample.image_rgb, landmarks.next_roi)
    assert landmarks.score > 0.5
    height_px = float(np.ptp(sample.pose.xy[:, 1]))
    off_px = np.linalg.norm(landmarks.pose.xy - sample.pose.xy, axis=1)[TRUNK]
    assert off_px.max() < 0.1 * height_px
    assert detector.detect(sample.empty_rgb) == []
    assert detector.landmarks(sample.empty_rgb, found[0].roi).score < 0.5


def test_it_looks_in_the_given_window_only(looking: tuple[PoseDetector, Sample]) -> None:
    detector, sample = looking
    height_px, width_px = sample.image_rgb.shape[:2]
    whole = RotatedRect((width_px - 1) / 2, (height_px - 1) / 2, max(width_px, height_px), 0.0)
    beside = RotatedRect(-3.0 * width_px, 0.0, width_px, 0.0)
    assert detector.detect(sample.image_rgb, whole) == detector.detect(sample.image_rgb)
    assert detector.detect(sample.image_rgb, beside) == []


def test_its_mask_covers_the_person_in_any_size_of_the_frame(looking: tuple[PoseDetector, Sample]) -> None:
    detector, sample = looking
    height_px, width_px = sample.image_rgb.shape[:2]
    landmarks = detector.landmarks(sample.image_rgb, detector.detect(sample.image_rgb)[0].roi)
    mask = landmarks.mask(width_px // 2, height_px // 2, width_px)
    assert mask.dtype == np.uint8
    assert mask.shape == (height_px // 2, width_px // 2)
    x, y = (sample.pose.xy[TRUNK].mean(axis=0) / 2).round().astype(int)
    assert mask[y - 2 : y + 3, x - 2 : x + 3].max() > 200
    assert mask[0, 0] < 50


def test_the_pipeline_and_detect_poses_run_with_another_detector(video: Path, tmp_path: Path) -> None:
    track = detect_poses(video, detector="silhouette", masks=tmp_path / "masks.mkv")
    assert (track.detector, len(track)) == ("silhouette/1", 36)
    assert (track.status == FrameStatus.MEASURED).all()
    off_px = np.linalg.norm(track.pose.xy - DANCE.pose.xy, axis=-1)[:, TRUNK]
    assert off_px.mean() < 4
    assert (tmp_path / "masks.mkv").exists()
    again = PosePipeline.create("silhouette").track(video, use_cache=False)
    np.testing.assert_array_equal(again.pose.xy, track.pose.xy)


def test_tracks_of_two_detectors_are_cached_apart(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifted(SilhouetteDetector):
        name = "shifted/1"

        def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:
            del measured
            return PoseTrack(**{**vars(repaired), "pose": Pose(repaired.pose.xy + 5, repaired.pose.confidence)})

    monkeypatch.setitem(registry.DETECTORS, "shifted", lambda _: Shifted())
    one, other = (detect_poses(video, detector=name) for name in ("silhouette", "shifted"))
    assert other.detector == "shifted/1"
    # Both follow the picture, each from where it is.
    assert np.abs(np.median(other.pose.xy - one.pose.xy, axis=(0, 1)) - 5).max() < 0.5


def test_a_detector_of_another_name_measures_again(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def named(name: str) -> SilhouetteDetector:
        detector = SilhouetteDetector()
        monkeypatch.setattr(detector, "name", name, raising=False)
        return detector

    tracks = [PosePipeline(named(name)).track(video) for name in ("silhouette/1", "silhouette-4crops/1")]
    assert [track.detector for track in tracks] == ["silhouette/1", "silhouette-4crops/1"]


def test_an_unknown_detector_is_one_sentence_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pose detector openpose; choose one of: blazepose, blazepose-4crops, silhouette"):
        detect_poses(tmp_path / "dance.mp4", detector="openpose")
