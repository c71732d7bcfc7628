"""What one more frame costs while a long video is worked on: bounds, and blocks that change nothing, to the last bit."""

import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.face import align, face_tracking, hand_occlusion
from dancenow.face.face_track import NUM_LANDMARKS, FaceTrack
from dancenow.face.refinement_weights import coverage_weights
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import open_video
from dancenow.pose.filtering import smoothing
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.head_views import turn_heads
from dancenow.pose.retargeting.registry import fit_retargeter, retarget
from dancenow.research.recipes.video_memory import drawn_track
from dancenow.skeleton import INDEX
from dancenow.subject import exposure_cells
from dancenow.subject.exposure import Exposure
from dancenow.subject.exposure_measurement import ExposureMeter
from dancenow.types import Frame, Pose, PoseTrack
from helpers.faces import mouthing, turning

FEW, MANY = 4_500, 9_000


def bytes_a_frame(prepared: Callable[[int], Callable[[], object]]) -> float:
    """What grows in the peak of a step, results included. prepared: gives the step for a number of frames."""
    peaks = []
    for frames in (FEW, MANY):
        step = prepared(frames)
        tracemalloc.start()
        step()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[1] - peaks[0]) / (MANY - FEW)


def looking(frames: int, seed: int, reach_px: float) -> PoseTrack:
    """A dancer who looks around."""
    track = drawn_track(frames, 30, seed)
    xy = track.pose.xy.copy()
    xy[:, INDEX["nose"], 0] += (reach_px * np.sin(np.arange(frames) / 40)).astype(np.float32)
    depth = np.random.default_rng(seed).normal(0, 3, xy.shape[:2]).astype(np.float32)
    return replace(track, pose=Pose(xy, track.pose.confidence, depth))


def test_a_long_track_is_smoothed_in_smaller_groups_which_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    poses, measured = PosePipeline.create(), looking(400, 3, 4)
    expected = poses.filter(measured)
    monkeypatch.setattr(smoothing, "_LONG_FRAMES", 100)
    found = poses.filter(measured)
    for name in ("xy", "confidence", "depth"):
        np.testing.assert_array_equal(getattr(found.pose, name), getattr(expected.pose, name))

    def prepared(frames: int) -> Callable[[], object]:
        track = looking(frames, 3, 4)
        return lambda: poses.filter(track)

    assert bytes_a_frame(prepared) < 1_700, "repaired poses have 448, the result 336, widths of kernels 224"


def test_a_dance_is_retargeted_in_little_more_than_its_result() -> None:
    footage = looking(600, 1, 0)

    def prepared(frames: int) -> Callable[[], object]:
        dance = looking(frames, 2, 8)
        retargeter = fit_retargeter("skeletal", dance, footage)
        return lambda: retarget(dance, retargeter, footage)

    assert bytes_a_frame(prepared) < 650, "the result has 336, and the shifts of body and feet 240"


def test_heads_are_turned_in_place_without_a_table_and_as_in_a_copy() -> None:
    footage = looking(600, 1, 0)
    dance = looking(1000, 2, 8)
    turned, fraction = turn_heads(dance, footage)
    assert fraction > 0.3
    own = replace(dance, pose=Pose(dance.pose.xy.copy(), dance.pose.confidence, dance.pose.depth.copy()))
    same, _ = turn_heads(own, footage, in_place=True)
    assert np.may_share_memory(same.pose.xy, own.pose.xy)
    np.testing.assert_array_equal(same.pose.xy, turned.pose.xy)
    np.testing.assert_array_equal(same.pose.depth, turned.pose.depth)

    def prepared(frames: int) -> Callable[[], object]:
        own = looking(frames, 2, 8)
        return lambda: turn_heads(own, footage, in_place=True)

    assert bytes_a_frame(prepared) < 100


def film(meter: ExposureMeter, frames: int) -> Exposure:
    """What a meter finds in a room with a lamp that flickers and goes out."""
    room = np.random.default_rng(0).integers(20, 230, (24, 32, 3), np.uint8)
    for number in range(frames):
        gain = 0.02 if 100 < number < 120 else 1 + 0.12 * np.sin(number / 11)
        meter.take(Frame((room * gain).clip(0, 255).astype(np.uint8), number, Fraction(number, 30)))
    return meter.exposure()


def meter_of(folder: Path, frames: int) -> ExposureMeter:
    path = folder / f"{frames}.mkv"
    if not path.exists():
        with MaskWriter(path, 32, 24) as writer:
            for number in range(frames):
                mask = np.zeros((24, 32), np.uint8)
                mask[4:20, number % 24 : number % 24 + 6] = 255
                writer.write(mask)
    return ExposureMeter(path, np.ones(frames, np.bool_))


def test_the_exposure_of_long_footage_is_measured_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = film(meter_of(tmp_path, 400), 400)
    assert in_memory.changes
    assert not in_memory.usable[101:120].any()
    monkeypatch.setattr(exposure_cells, "_IN_MEMORY_BYTES", 1000)
    from_file = film(meter_of(tmp_path, 400), 400)
    np.testing.assert_array_equal(from_file.table, in_memory.table)
    np.testing.assert_array_equal(from_file.usable, in_memory.usable)
    assert [path.name for path in tmp_path.iterdir()] == ["400.mkv"]

    def prepared(frames: int) -> Callable[[], object]:
        meter = meter_of(tmp_path, frames)
        return lambda: film(meter, frames)

    assert bytes_a_frame(prepared) < 400, "a small copy has 2,400, and fits of all frames far more"


def test_all_frames_of_a_video_are_not_numbered_one_by_one(tmp_path: Path) -> None:
    class Taker:
        def __init__(self, indices: range | list[int]) -> None:
            self.indices, self.taken = indices, list[int]()

        def take(self, frame: Frame) -> None:
            self.taken.append(frame.index)

    with VideoWriter(tmp_path / "video.mp4", 32, 32, fps=Fraction(30), preset="ultrafast") as writer:
        for number in range(12):
            writer.write(np.full((32, 32, 3), 20 * number, np.uint8), Fraction(number, 30))
    takers = [Taker([7, 2, 30]), Taker(range(9)), Taker([]), Taker([11, 7])]
    open_video(tmp_path / "video.mp4").feed(*takers)
    assert [taker.taken for taker in takers] == [[2, 7], [*range(9)], [], [7, 11]]


def faces_of(frames: int) -> tuple[PoseTrack, np.ndarray, np.ndarray]:
    """A head that turns, with a hand before it: its track, landmarks [T,68,3] and their confidence [T]."""
    rng, time = np.random.default_rng(1), np.arange(frames)
    track = turning(1.2 * np.sin(time / 30), 0.3 * np.sin(time / 17), 0.2 * np.sin(time / 23))
    xy = track.pose.xy.copy()
    hand = [INDEX[f"left_{name}"] for name in ("wrist", "index", "pinky", "thumb", "elbow")]
    xy[:, hand] = xy[:, [INDEX["nose"]]] + rng.normal(0, 25, (frames, 5, 2)).astype(np.float32)
    xy[:, hand] += 60 * np.sin(time / 11).astype(np.float32)[:, None, None]
    track = replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))
    points = rng.normal(0, 9, (frames, NUM_LANDMARKS, 3)).astype(np.float32)
    points[..., :2] += mouthing(track, 0.1 * np.abs(np.sin(time / 7))).landmarks
    confidence = rng.uniform(0.1, 1, frames).astype(np.float32)
    confidence[rng.random(frames) < 0.2] = 0
    return track, points, confidence


def danced(track: PoseTrack, points: np.ndarray, confidence: np.ndarray, target: FaceTrack) -> tuple[FaceTrack, np.ndarray]:
    """Faces with the measured expression on another face, and how strongly each is refined."""
    boxes = face_tracking.face_boxes(track)
    smooth = face_tracking._smooth_landmarks(points, confidence, boxes, track.shot_time_s)
    faces = face_tracking.with_landmarks(boxes, *smooth, "test")
    faces = align.normalize_expression(faces, target, boxes)
    return faces, coverage_weights(faces, target)


def test_faces_are_worked_on_in_blocks_which_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    target = mouthing(turning(np.sin(np.arange(200) / 20)), 0.1 * np.abs(np.sin(np.arange(200) / 9)))
    found, weights = danced(*faces_of(700), target)
    for module, name in ((face_tracking, "_AT_ONCE"), (align, "_BLOCK"), (hand_occlusion, "_BLOCK")):
        monkeypatch.setattr(module, name, 100)
    expected, expected_weights = danced(*faces_of(700), target)
    for each in fields(FaceTrack):
        np.testing.assert_array_equal(getattr(found, each.name), getattr(expected, each.name))
    np.testing.assert_array_equal(weights, expected_weights)
    assert (found.hidden > 0).any()


def test_faces_of_a_long_dance_take_a_few_sets_of_landmarks() -> None:
    target = mouthing(turning(np.sin(np.arange(200) / 20)), 0.1 * np.abs(np.sin(np.arange(200) / 9)))

    def prepared(frames: int) -> Callable[[], object]:
        given = faces_of(frames)
        return lambda: danced(*given, target)

    assert bytes_a_frame(prepared) < 3_500, "landmarks have 544, as measured 816, and three sets of them are held"
