"""A result beside its reference: better results get better figures, and videos that cannot be compared are refused."""

import dataclasses
import json
import math
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import dancenow.evaluation.evaluator
from dancenow.cli.evaluate import evaluate as command
from dancenow.errors import UserError
from dancenow.evaluation.evaluator import Evaluation, PreparedReference, evaluate
from dancenow.evaluation.metric_summary import pose_metrics
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.metrics.lpips import Lpips
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack
from helpers.perceptual import random_distance

FRAMES, SIDE = 12, 128


def picture(t: int, noise: float = 0.0) -> ImageRGB:
    """A striped figure that walks past a shaded wall."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.stack([100 + x / 4, 120 + y / 5, 140 - x / 6], axis=-1)
    inside = (abs(x - 40 - 3 * t) < 14) & (abs(y - 64) < 45)
    image[inside] = np.stack([60 + 90 * (y // 6 % 2), 90 + 0 * y, 200 - 60 * (y // 6 % 2)], axis=-1)[inside]
    image += np.random.default_rng(t).normal(0, 1, image.shape) * noise
    levels: ImageRGB = np.clip(image, 0, 255).astype(np.uint8)
    return levels


def video(path: Path, pictures: list[ImageRGB], fps: Fraction = Fraction(25)) -> Path:
    height, width = pictures[0].shape[:2]
    with VideoWriter(path, width, height, fps=fps, crf=12) as writer:
        for t, image in enumerate(pictures):
            writer.write(image, t / fps)
    return path


def poses(offset_px: float = 0.0) -> PoseTrack:
    """The figure's keypoints, all over its stripes."""
    random = np.random.default_rng(0)
    body = np.stack([random.uniform(-12, 12, NUM_KEYPOINTS), np.linspace(-42, 42, NUM_KEYPOINTS)], axis=1)
    body += np.array([40, 64])
    body[INDEX["neck"]], body[[INDEX["right_hip"], INDEX["left_hip"]]] = [40, 40], [[36, 70], [44, 70]]
    walk = np.zeros((FRAMES, 1, 2))
    walk[:, 0, 0] = 3 * np.arange(FRAMES) + offset_px
    xy = (body + walk).astype(np.float32)
    confidence = np.full((FRAMES, NUM_KEYPOINTS), 0.9, np.float32)
    status = np.zeros(FRAMES, np.uint8)
    return PoseTrack(Pose(xy, confidence), np.arange(FRAMES) / 25, status, SIDE, SIDE, "made", "0" * 64)


def thinned(track: PoseTrack, every: int) -> PoseTrack:
    part = slice(None, None, every)
    return dataclasses.replace(track, pose=track.pose[part], time_s=track.time_s[part], status=track.status[part])


@pytest.fixture(autouse=True)
def no_networks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Random weights for the perceptual distance, and a detector that knows what `video` draws."""
    if request.node.get_closest_marker("pretrained"):
        return

    def detect(video: VideoSource, every: int = 1, on_progress: ProgressCallback = ignore_progress) -> PoseTrack:
        on_progress(Progress("detect", 1, 1))
        if "nobody" in video.path.name:
            raise UserError(f"no person was found in {video}.")
        return thinned(poses(4.0 if "off" in video.path.name else 0.0), every)

    monkeypatch.setattr(dancenow.evaluation.evaluator, "detect_poses", detect)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "PerceptualDistance", random_distance)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "create_detector", object)
    monkeypatch.setattr(dancenow.evaluation.evaluator, "find_pose_in_box", lambda *_: None)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: Path())
    monkeypatch.setattr("dancenow.evaluation.identity_similarity.GALLERY_FRAMES", 3)
    monkeypatch.setenv("TORCH_HOME", "nowhere")  # what is installed on a machine must not change its tests
    monkeypatch.delenv("DANCENOW_LPIPS", raising=False)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return video(tmp_path / "reference.mp4", [picture(t) for t in range(FRAMES)])


def test_what_a_truth_remembers_and_leaves_out_changes_no_figure(reference: Path, tmp_path: Path) -> None:
    noisy = video(tmp_path / "noisy.mp4", [picture(t, 9.0) for t in range(FRAMES)])
    off = video(tmp_path / "off.mp4", [picture(t, 3.0) for t in range(FRAMES)])
    truth = PreparedReference.of(reference, every=4, pose_every=2, deep_regions=("person", "face"), use_cache=True)
    truth.evaluate(noisy, ideal=False)
    for made in (off, noisy):  # the second and third are compared with what is kept
        quick, whole = truth.evaluate(made, ideal=False), evaluate(made, reference, ideal=False, every=4)
        for name, region in (("SSIM", "person"), ("perceptual", "person"), ("flicker", "person"), ("identity", "body")):
            assert quick.score(name, region).value == pytest.approx(whole.score(name, region).value, rel=1e-5), name
        assert math.isnan(quick.score("perceptual", "frame").value)
    distance = truth.evaluate(off, ideal=False).score("pose distance", "all")
    assert distance.value == pytest.approx(4.0, abs=1e-4)
    assert np.isfinite(distance.curve).tolist() == [t % 2 == 0 for t in range(FRAMES)]


def test_frames_that_the_follower_passes_over_are_asked_whose_they_are(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second frame shows a figure in other colours, which the detector does not take for the same person."""
    swapped = video(tmp_path / "swapped.mp4", [picture(t)[..., :: -1 if t % 2 else 1].copy() for t in range(FRAMES)])
    track = poses()
    status = np.where(np.arange(FRAMES) % 2, FrameStatus.FILLED, FrameStatus.MEASURED).astype(np.uint8)
    followed = dataclasses.replace(track, status=status)
    monkeypatch.setattr(
        dancenow.evaluation.evaluator, "detect_poses", lambda video, **_: followed if video.path == swapped else track
    )
    unseen = evaluate(swapped, reference, ideal=False, every=1).score("identity", "body")
    monkeypatch.setattr(dancenow.evaluation.evaluator, "find_pose_in_box", lambda _blaze, _image, expected: expected)
    seen = evaluate(swapped, reference, ideal=False, every=1).score("identity", "body")
    assert np.isnan(unseen.curve[1::2]).all()
    assert np.isfinite(seen.curve).all()
    assert seen.curve[1::2].max() < seen.curve[::2].min()
    assert seen.value < unseen.value - 0.05


def test_the_reference_itself_is_perfect(reference: Path) -> None:
    events: list[Progress] = []
    result = evaluate(reference, reference, every=2, on_progress=events.append)
    for region in ("frame", "person"):
        assert result.score("SSIM", region).value == pytest.approx(1, abs=1e-5)
        assert result.score("perceptual", region).value == pytest.approx(0, abs=1e-6)
    assert result.score("flicker", "person").value == 1
    assert result.score("pose distance", "all").value == 0
    assert result.score("missed keypoints", "all").value == 0
    ideal = result.score("SSIM", "person").ideal
    assert ideal is not None
    assert 0.8 < ideal < 1
    assert {event.stage for event in events} >= {"compare frames", "encode the ideal"}
    assert (result.num_frames, result.width_px, result.fps) == (FRAMES, SIDE, 25)


def test_curves_have_a_value_per_frame_and_the_means_are_theirs(reference: Path, tmp_path: Path) -> None:
    # Frame 7 alone is wrong.
    out = video(tmp_path / "out.mp4", [picture(t if t != 7 else 0) for t in range(FRAMES)])
    result = evaluate(out, reference, ideal=False, every=3)
    ssim = result.score("SSIM", "person")
    assert ssim.curve.shape == (FRAMES,)
    assert ssim.curve.argmin() == 7
    assert ssim.value == pytest.approx(ssim.curve.mean())
    assert ssim.ideal is None
    assert np.flatnonzero(np.isfinite(result.score("perceptual", "frame").curve)).tolist() == [0, 3, 6, 9]
    flicker = result.score("flicker", "person").curve
    assert np.isnan(flicker[0])
    assert set(np.argsort(flicker[1:])[-2:] + 1) == {7, 8}


@pytest.mark.slow
def test_figures_worsen_with_noise(reference: Path, tmp_path: Path) -> None:
    results = []
    for level in (0, 8, 25):
        out = video(tmp_path / f"noise{level}.mp4", [picture(t, level) for t in range(FRAMES)])
        results.append(evaluate(out, reference, ideal=False, every=1))
    for name, region, direction in (
        ("SSIM", "person", -1), ("PSNR", "frame", -1), ("perceptual", "person", 1), ("flicker", "person", 1),
        ("Fréchet", "person", 1),
    ):  # fmt: skip
        values = [direction * result.score(name, region).value for result in results]
        assert values == sorted(values), name
        assert values[0] < values[-1], name


def test_a_dance_out_of_place_has_its_distance(reference: Path, tmp_path: Path) -> None:
    out = video(tmp_path / "off.mp4", [picture(t) for t in range(FRAMES)])
    result = evaluate(out, reference, ideal=False)
    assert result.score("pose distance", "arms").value == pytest.approx(4, abs=1e-4)
    assert result.score("pose distance, relative", "all").value == pytest.approx(4 / 30, rel=1e-3)


def test_filled_frames_are_missed_frames() -> None:
    own = poses(0.0)
    status = own.status.copy()
    status[4:7] = FrameStatus.FILLED
    filled = dataclasses.replace(own, status=status)
    missed = next(each for each in pose_metrics(filled, own) if each.name == "missed keypoints")
    assert missed.curve.tolist() == [NUM_KEYPOINTS * float(4 <= t < 7) for t in range(FRAMES)]


def test_a_result_without_a_person_is_bad_and_no_error(reference: Path, tmp_path: Path) -> None:
    out = video(tmp_path / "nobody.mp4", [picture(100) for _ in range(FRAMES)])
    result = evaluate(out, reference, ideal=False)
    assert result.score("missed keypoints", "all").value == NUM_KEYPOINTS
    assert math.isnan(result.score("pose distance", "all").value)


def test_the_person_of_the_result_is_likened_to_target_and_source(reference: Path, tmp_path: Path) -> None:
    own = [picture(t) for t in range(FRAMES)]
    source = video(tmp_path / "source.mp4", [image[..., ::-1].copy() for image in own])
    right = evaluate(reference, reference, target=reference, source=source, ideal=False)
    wrong = evaluate(source, reference, source=source, ideal=False)
    assert right.score("identity", "body").value == pytest.approx(1, abs=0.01)
    assert wrong.score("identity of the source", "body").value == pytest.approx(1, abs=0.01)
    assert right.score("identity margin", "body").value > 0.05
    assert wrong.score("identity margin", "body").value < -0.05
    assert right.score("identity margin", "face").better == "higher"


def test_a_target_without_a_person_is_refused_by_name(reference: Path, tmp_path: Path) -> None:
    empty = video(tmp_path / "nobody.mp4", [picture(100) for _ in range(FRAMES)])
    with pytest.raises(UserError, match=r"no person was found in .*nobody\.mp4"):
        evaluate(reference, reference, target=empty, ideal=False)


def test_lpips_is_a_figure_only_where_it_is_installed(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        evaluate(reference, reference, ideal=False, every=6).score("LPIPS", "person")
    monkeypatch.setattr(Lpips, "installed", Lpips)
    result = evaluate(reference, reference, ideal=False, every=6).score("LPIPS", "person")
    assert result.value == 0
    assert np.flatnonzero(np.isfinite(result.curve)).tolist() == [0, 6]


def other_size(path: Path) -> Path:
    return video(path, [picture(t)[:96] for t in range(FRAMES)])


def other_rate(path: Path) -> Path:
    return video(path, [picture(t) for t in range(FRAMES)], Fraction(30))


def shorter(path: Path) -> Path:
    return video(path, [picture(t) for t in range(FRAMES - 2)])


@pytest.mark.parametrize(
    ("make", "says"),
    [(other_size, "128x96 but .* is 128x128"), (other_rate, "30 frames a second but .* 25"), (shorter, "10 frames but .* 12")],
)
def test_videos_that_do_not_match_are_refused(make: Callable[[Path], Path], says: str, reference: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says):
        evaluate(make(tmp_path / "out.mp4"), reference, ideal=False)


def test_other_timing_at_the_same_rate_is_refused(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "late.mp4"
    with VideoWriter(out, SIDE, SIDE, fps=Fraction(25)) as writer:
        for t in range(FRAMES):
            # One frame is late by four fifths of a frame; the average rate is the same.
            writer.write(picture(t), Fraction(t, 25) + (Fraction(4, 125) if t == 6 else 0))
    with pytest.raises(UserError, match=r"frame 6 is shown at 0\.240 s .* but at 0\.272 s"):
        evaluate(out, reference, ideal=False)


def test_a_track_of_another_video_is_refused(reference: Path) -> None:
    whole = poses()
    short = PoseTrack(whole.pose[:5], whole.time_s[:5], whole.status[:5], SIDE, SIDE, "made", "")
    with pytest.raises(UserError, match="track has 5 poses"):
        evaluate(reference, reference, track=short, ideal=False)
    large = PoseTrack(whole.pose, whole.time_s, whole.status, 2 * SIDE, SIDE, "made", "")
    with pytest.raises(UserError, match="track was made at 256x128"):
        evaluate(reference, reference, track=large, ideal=False)


def test_missing_files_and_nonsense_are_refused(reference: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.mp4"):
        evaluate(tmp_path / "gone.mp4", reference)
    with pytest.raises(UserError, match="1 or more"):
        evaluate(reference, reference, every=0)


def test_the_command_prints_a_table_and_writes_valid_json(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    command(reference, reference, json=figures, source=reference, every=6)
    table = capsys.readouterr().out
    for word in ("SSIM", "ideal", "flicker", "identity margin", "foot sliding", "higher", "lower"):
        assert word in table
    assert max(len(line) for line in table.splitlines()) <= 100
    saved = json.loads(figures.read_text(encoding="utf-8"))
    assert saved["num_frames"] == FRAMES
    assert saved["scores"][0]["name"] == "SSIM"
    assert len(saved["scores"][0]["curve"]) == FRAMES
    with pytest.raises(UserError, match="is an input"):
        command(reference, reference, json=reference)
    with pytest.raises(UserError, match=r"ends in \.json"):
        command(reference, reference, json=tmp_path / "figures.mp4")


@pytest.mark.slow
@pytest.mark.pretrained
@pytest.mark.skipif("DANCENOW_DATA" not in os.environ, reason="DANCENOW_DATA names no folder of test clips")
def test_another_bodys_dance_scores_far_below_the_ideal() -> None:
    folder = Path(os.environ["DANCENOW_DATA"]) / "synthetic"
    result: Evaluation = evaluate(folder / "jesse_id0.mp4", folder / "jesse_id1.mp4", every=30)
    ssim = result.score("SSIM", "person")
    assert ssim.ideal is not None
    assert 0.5 < ssim.value < 0.75 < 0.9 < ssim.ideal
    assert result.score("pose distance, relative", "all").value > 0.2
