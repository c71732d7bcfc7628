"""Detection turns a video into a track and masks and caches them. Bad footage is reported in one sentence.

The person in these videos is a red block; a fake detector that finds red replaces the networks.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dancenow.cli.pose import pose as pose_command
from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames, read_masks
from dancenow.pose import pipeline
from dancenow.pose.detectors import registry
from dancenow.pose.detectors.base import Candidate, Landmarks
from dancenow.pose.detectors.blazepose import BlazePose
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.filtering.smoothing import SmoothConfig
from dancenow.pose.overlay import draw_pose, write_overlay
from dancenow.pose.track_io import load_track
from dancenow.pose.tracking.backward_tracking import MAX_BUFFERED_FRAMES
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

Standing = Callable[[float, float, float], Pose]
WIDTH, HEIGHT = 1280, 720


class _RedFinder:
    """A `PoseDetector` that finds the red block and nothing else."""

    name = "red/1"
    correction_lag_s = 0.0

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def detect(self, image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:  # noqa: ARG002
        red = (image_rgb[::8, ::8, 0] > 150) & (image_rgb[::8, ::8, 1] < 90)
        y, x = np.nonzero(red)
        return [Candidate(RotatedRect(8.0 * x.mean(), 8.0 * y.mean(), 500, 0), 0.9)] if len(x) > 20 else []

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        found = self.detect(image_rgb)
        here = found[0].roi if found else roi
        logits = np.full((256, 256), -10, np.float32)
        logits[64:192, 96:160] = 10
        return Landmarks(self._standing(here.x_px, here.y_px, 400), float(bool(found)), here, here, logits)

    def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:  # noqa: ARG002
        return repaired


@pytest.fixture
def film(tmp_path: Path, standing: Standing, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float | None]], Path]:
    """Write a video of a block at the given x per frame (None: no person), and patch in the detector that finds it."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(registry.DETECTORS, "blazepose", lambda _: _RedFinder(standing))

    def write(places: list[float | None]) -> Path:
        path = tmp_path / "clip.mp4"
        with VideoWriter(path, WIDTH, HEIGHT, fps=Fraction(25), preset="ultrafast") as writer:
            for index, x in enumerate(places):
                image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
                image[600:] = 140  # a floor: a frame of one color would be a blank one
                if x is not None:
                    image[160:560, int(x) - 80 : int(x) + 80] = (210, 30, 30)
                writer.write(image, Fraction(index, 25))
        return path

    return write


def test_a_track_has_a_pose_a_time_and_a_mask_per_frame(film: Callable[[list[float | None]], Path], tmp_path: Path) -> None:
    places: list[float | None] = [400.0 + 8 * i for i in range(30)]
    places[10:13] = [None] * 3
    track = pipeline.detect_poses(film(places), masks=tmp_path / "masks.mkv")
    assert (len(track), track.width_px, track.height_px) == (30, WIDTH, HEIGHT)
    np.testing.assert_allclose(track.time_s, np.arange(30) / 25, atol=1e-6)
    assert np.flatnonzero(track.status == FrameStatus.FILLED).tolist() == [10, 11, 12]
    np.testing.assert_allclose(track.pose.xy[:, INDEX["neck"], 0], 400 + 8 * np.arange(30), atol=8)
    masks = list(read_masks(tmp_path / "masks.mkv"))
    assert [mask.any() for mask in masks] == [place is not None for place in places]
    assert masks[0].shape == (360, 640)
    columns = np.nonzero(masks[20].max(axis=0) > 127)[0]
    assert columns.mean() == pytest.approx((400 + 160) / 2, abs=4)


def test_the_same_content_is_detected_once(
    film: Callable[[list[float | None]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = film([400.0] * 10)
    first = pipeline.detect_poses(video, masks=tmp_path / "a.mkv")
    monkeypatch.setattr(_RedFinder, "detect", None)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    again = pipeline.detect_poses(copy, masks=tmp_path / "b.mkv")
    np.testing.assert_array_equal(again.pose.xy, first.pose.xy)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    with pytest.raises(TypeError):
        pipeline.detect_poses(copy, use_cache=False)


def test_the_number_of_people_is_stored_with_the_track(film: Callable[[list[float | None]], Path]) -> None:
    video = film([400.0] * 24)
    assert pipeline.PosePipeline.create().people_counts(video) == []
    pipeline.detect_poses(video)
    assert pipeline.PosePipeline.create().people_counts(video) == [1] * 12


def test_a_damaged_cache_entry_is_detected_again(film: Callable[[list[float | None]], Path], tmp_path: Path) -> None:
    video = film([400.0] * 10)
    first = pipeline.detect_poses(video)
    for file in (tmp_path / "cache" / "tracks").iterdir():
        file.write_bytes(b"broken")
    np.testing.assert_array_equal(pipeline.detect_poses(video).pose.xy, first.pose.xy)


def test_footage_without_a_person_is_reported_in_one_sentence(
    film: Callable[[list[float | None]], Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no person was found"):
        pipeline.detect_poses(film([None] * 10), masks=tmp_path / "masks.mkv")
    with pytest.raises(UserError, match=r"found in only [1-3] of 40 frames of .*clip\.mp4"):
        pipeline.detect_poses(film([None] * 20 + [400.0] * 3 + [None] * 17), masks=tmp_path / "masks.mkv")
    with pytest.raises(UserError, match=r"clip\.mp4 has only 1 frame, which shows no motion; give a longer video\.$"):
        pipeline.detect_poses(film([400.0]), masks=tmp_path / "masks.mkv")
    assert not (tmp_path / "masks.mkv").exists()
    with pytest.raises(UserError, match="does not exist"):
        pipeline.detect_poses(tmp_path / "no.mp4")
    with pytest.raises(UserError, match="is a folder"):
        pipeline.detect_poses(tmp_path)
    for person in (0, -1):
        with pytest.raises(UserError, match=f"no person {person}: people are counted from 1"):
            pipeline.detect_poses(tmp_path / "clip.mp4", person=person)
    with pytest.raises(UserError, match="has no person 2"):
        pipeline.detect_poses(film([400.0] * 10), person=2)


def test_the_overlay_shows_right_in_warm_and_left_in_cold_colors(standing: Standing) -> None:
    gray = np.full((520, 640, 3), 90, np.uint8)
    pose = standing(320, 260, 400)
    drawn = draw_pose(gray, pose)
    assert (gray == 90).all(), "the input image is not changed"
    for side, warm in (("right", True), ("left", False)):
        x, y = ((pose.xy[INDEX[f"{side}_hip"]] + pose.xy[INDEX[f"{side}_knee"]]) / 2).astype(int)
        assert (int(drawn[y, x, 0]) > int(drawn[y, x, 2])) == warm
    nobody = Pose(pose.xy, np.zeros_like(pose.confidence))
    np.testing.assert_array_equal(draw_pose(gray, nobody), gray)


def test_the_command_writes_track_overlay_and_openpose(film: Callable[[list[float | None]], Path], tmp_path: Path) -> None:
    video = film([400.0] * 10)
    pose_command(video, tmp_path / "t.npz", overlay=tmp_path / "o.mp4", openpose_out=tmp_path / "json")
    assert len(load_track(tmp_path / "t.npz")) == 10
    assert probe(tmp_path / "o.mp4").num_frames == 10
    first = next(read_frames(tmp_path / "o.mp4")).image_rgb
    assert np.abs(first.astype(int) - next(read_frames(video)).image_rgb).max() > 60, "something is drawn"
    pose_command(tmp_path / "json", tmp_path / "again.npz", video_size=f"{WIDTH}x{HEIGHT}", fps="25")
    again, track = load_track(tmp_path / "again.npz"), load_track(tmp_path / "t.npz")
    np.testing.assert_allclose(again.pose.xy[:, :18], track.pose.xy[:, :18], atol=0.1)


def test_the_command_explains_bad_input(
    film: Callable[[list[float | None]], Path], swaying: Callable[..., PoseTrack], tmp_path: Path
) -> None:
    video = film([400.0] * 3)
    with pytest.raises(UserError, match="is the input"):
        pose_command(video, tmp_path / "t.npz", overlay=video)
    folder = tmp_path / "json"
    folder.mkdir()
    for size, fps, needed in ((None, "30", "--video-size"), ("640x0", "30", "--video-size"), ("640x480", "x", "--fps")):
        with pytest.raises(UserError, match=needed):
            pose_command(folder, tmp_path / "t.npz", video_size=size, fps=fps)
    with pytest.raises(UserError, match="the video that the track was made from"):
        write_overlay(video, swaying(3), tmp_path / "o.mp4")
    assert not (tmp_path / "t.npz").exists()


def test_bad_outputs_are_reported_before_the_detection(
    film: Callable[[list[float | None]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, track = film([400.0] * 3), tmp_path / "t.npz"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    (tmp_path / "folder.npz").mkdir()
    monkeypatch.setattr(pipeline.PosePipeline, "measure", None)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        pose_command(video, tmp_path / "t.txt")
    with pytest.raises(UserError, match="it is a folder"):
        pose_command(video, tmp_path / "folder.npz")
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        pose_command(video, track, overlay=tmp_path / "o.avi")
    with pytest.raises(UserError, match=r"ends in \.mkv"):
        pose_command(video, track, masks=tmp_path / "m.mp4")
    with pytest.raises(UserError, match="not empty"):
        pose_command(video, track, openpose_out=tmp_path / "full")


def test_an_unreadable_file_is_reported_in_one_sentence(
    film: Callable[[list[float | None]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise av.error.PermissionError(13, "Permission denied")

    video = film([400.0])
    monkeypatch.setattr(av, "open", forbidden)
    monkeypatch.setattr("dancenow.media.source.sha256_of", forbidden)
    with pytest.raises(UserError, match="may not be read"):
        pipeline.detect_poses(video)


@pytest.mark.parametrize("fps", [15.0, 30.0])
def test_no_frame_depends_on_frames_beyond_the_reported_lag(
    swaying: Callable[..., PoseTrack], standing: Standing, fps: float
) -> None:
    poses = pipeline.PosePipeline(_RedFinder(standing))
    track = swaying(round(16 * fps), fps, noise_px=3.0)
    track.pose.confidence[40:44] = 0  # a gap to fill
    last = len(track) - 1 - poses.lag(fps).filtering_frames
    later = track.pose.xy.copy()
    later[-1:] += 300
    changed = replace(track, pose=Pose(later, track.pose.confidence))
    before, after = (poses.filter(each).pose.xy for each in (track, changed))
    assert last > 44
    np.testing.assert_allclose(after[:last], before[:last], atol=1e-3)
    assert np.abs(after[-1] - before[-1]).max() > 100


def test_the_lag_is_that_of_the_filters_and_the_detectors_correction(standing: Standing) -> None:
    plain, blazepose = pipeline.PosePipeline(_RedFinder(standing)), pipeline.PosePipeline(BlazePose())
    assert blazepose.lag(30).filtering_frames > plain.lag(30).filtering_frames
    assert blazepose.lag(30).tracking_frames == MAX_BUFFERED_FRAMES
    less = replace(blazepose, smoothing=SmoothConfig(max_gap_s=0.1))
    assert less.lag(30).filtering_frames < blazepose.lag(30).filtering_frames


def test_jitter_is_damped_after_the_detector_corrected_its_errors(
    swaying: Callable[..., PoseTrack], standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shaken(_: object, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:
        shake = np.random.default_rng(0).normal(0, 2, repaired.pose.xy.shape).astype(np.float32)
        return replace(repaired, pose=Pose(measured.pose.xy + shake, measured.pose.confidence, measured.pose.depth))

    monkeypatch.setattr(_RedFinder, "correct_bias", shaken)
    truth = swaying(120, 30.0)
    found = pipeline.PosePipeline(_RedFinder(standing)).filter(truth)
    assert np.abs(found.pose.xy - truth.pose.xy).mean() < 0.75 * 2 * np.sqrt(2 / np.pi)
