"""One person is followed through crossings and losses, and never swapped for another.

The images show flat figures of a few colors; a fake detector that knows where they are drawn replaces the networks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoSource
from dancenow.pose.detectors.base import Candidate, Landmarks
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.tracking import backward_tracking
from dancenow.pose.tracking.backward_tracking import track_with_backfill
from dancenow.pose.tracking.reidentification import (
    PersonSelection,
    appearance_of,
    find_people,
    nobody_found,
    parts_of_others,
    select_person,
    similarity,
)
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.skeleton import INDEX
from dancenow.types import Frame, ImageRGB, Pose, PoseTrack

Standing = Callable[[float, float, float], Pose]
Clothes = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]
RED: Clothes = ((90, 60, 30), (200, 40, 40), (40, 40, 60))
GREEN: Clothes = ((200, 170, 90), (40, 150, 60), (210, 210, 200))
WIDTH, HEIGHT = 640, 360


@dataclass
class World:
    """A `PoseDetector` that knows where people were drawn into each frame."""

    standing: Standing
    people: list[tuple[Pose, Clothes]] = field(default_factory=list)
    drawn: dict[int, list[tuple[Pose, Clothes]]] = field(default_factory=dict)
    name = "drawn/1"
    correction_lag_s = 0.0

    def frame(self, index: int, *people: tuple[float, float, Clothes]) -> Frame:
        """Draw people given as (hips' x px, height px, clothes), those behind first."""
        image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
        self.people = [(self.standing(x_px, 190, tall_px), clothes) for x_px, tall_px, clothes in people]
        for pose, clothes in self.people:
            _draw(image, pose, clothes)
        image[:16, :16] = 4 * index  # a code that identifies the frame, compressed or not
        self.drawn[index] = self.people
        return Frame(image, index, Fraction(index, 10))

    def people_in(self, image_rgb: ImageRGB) -> list[tuple[Pose, Clothes]]:
        return self.drawn[round(float(image_rgb[4:12, 4:12].mean()) / 4)]

    def detect(self, image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:  # noqa: ARG002
        rois = [_roi(pose) for pose, _ in self.people_in(image_rgb)]
        return [Candidate(roi, 0.9) for roi in rois if window is None or _inside(roi, window)]

    def landmarks(self, image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        poses = [pose for pose, _ in self.people_in(image_rgb) if _inside(_roi(pose), roi)]
        nobody = np.zeros((256, 256), np.float32)
        if not poses:
            return Landmarks(self.standing(roi.x_px, roi.y_px, 1.0), 0.0, roi, roi, nobody)
        pose = min(poses, key=lambda p: abs(_roi(p).x_px - roi.x_px))
        return Landmarks(pose, 1.0, roi, _roi(pose), nobody)

    def correct_bias(self, repaired: PoseTrack, measured: PoseTrack) -> PoseTrack:  # noqa: ARG002
        return repaired


def _roi(pose: Pose) -> RotatedRect:
    hips = (pose.xy[INDEX["right_hip"]] + pose.xy[INDEX["left_hip"]]) / 2
    return RotatedRect(float(hips[0]), float(hips[1]), 1.25 * float(np.ptp(pose.xy[:, 1])), 0.0)


def _inside(roi: RotatedRect, window: RotatedRect) -> bool:
    return max(abs(roi.x_px - window.x_px), abs(roi.y_px - window.y_px)) < 0.4 * window.size_px


def _draw(image: ImageRGB, pose: Pose, clothes: Clothes) -> None:
    xy = {name: tuple(int(v) for v in pose.xy[index]) for name, index in INDEX.items()}
    tall_px = float(np.ptp(pose.xy[:, 1]))
    head, top, trousers = clothes
    corners = [xy[name] for name in ("right_shoulder", "left_shoulder", "left_hip", "right_hip")]
    cv2.fillPoly(image, [np.array(corners, np.int32)], top)
    for side in ("right", "left"):
        for a, b, color in (
            ("elbow", "wrist", head),
            ("shoulder", "elbow", top),
            ("hip", "knee", trousers),
            ("knee", "ankle", trousers),
        ):
            cv2.line(image, xy[f"{side}_{a}"], xy[f"{side}_{b}"], color, max(2, int(tall_px / 12)))
    cv2.circle(image, xy["nose"], int(tall_px / 9), head, -1)


@pytest.fixture
def world(standing: Standing) -> World:
    return World(standing)


def _cast(world: World, *frames: Frame, person: int | None = None) -> PersonSelection:
    """The person that `select_person` chooses from these frames, which `world` has just drawn."""
    samples = []
    for frame in frames:
        samples.append(find_people(world, frame, [None]))
    return select_person(samples, person, Path("clip.mp4"))


def test_clothes_identify_people_at_any_size_and_position(world: World) -> None:
    def look(x_px: float, tall_px: float, clothes: Clothes) -> np.ndarray:
        frame = world.frame(0, (x_px, tall_px, clothes))
        return appearance_of(frame.image_rgb, world.people[0][0])

    assert similarity(look(200, 300, RED), [look(420, 180, RED)]) > 0.9
    assert similarity(look(200, 300, RED), [look(200, 300, GREEN)]) < 0.7
    assert similarity(look(200, 300, RED), [look(200, 300, RED)]) == pytest.approx(1)


def test_the_larger_and_more_central_person_is_followed_by_default(world: World) -> None:
    frame = world.frame(0, (120, 220, GREEN), (340, 300, RED))
    red, green = (appearance_of(frame.image_rgb, world.people[i][0]) for i in (1, 0))
    for person, look in ((None, red), (1, red), (2, green)):
        assert similarity(_cast(world, frame, person=person).person[0].appearance, [look]) > 0.99
    with pytest.raises(UserError, match="at most 2 people are seen at once"):
        _cast(world, frame, person=3)


def test_a_video_without_people_is_an_error(world: World) -> None:
    with pytest.raises(UserError, match=r"no person was found in clip\.mp4"):
        _cast(world, world.frame(0))


def test_a_video_with_a_wrong_clock_is_told_from_one_without_people(tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    with VideoWriter(path, 64, 64, fps=Fraction(900)) as writer:
        for index in range(30):
            writer.write(np.zeros((64, 64, 3), np.uint8), Fraction(index, 900))
    error = str(nobody_found(VideoSource.open(path)))
    assert "fast.mp4, which lasts only 0.03 s by its own clock" in error
    assert "film one whole person" in str(nobody_found(path))


def test_two_people_who_cross_are_not_swapped(world: World) -> None:
    tracker = PersonTracker(world, _cast(world, world.frame(0, (100, 250, GREEN), (540, 300, RED))))
    for index in range(45):
        # Red walks from right to left and is hidden behind green for a moment.
        x_red_px, x_green_px = 540 - 10.0 * index, 100 + 10.0 * index
        hidden = abs(x_red_px - x_green_px) < 50
        people = [(x_red_px, 300.0, RED)] if not hidden else []
        found = tracker.step(world.frame(index, *people, (x_green_px, 250.0, GREEN)))
        if hidden:
            assert found is None, "green is not red, however near"
        elif index > 30 or abs(x_red_px - x_green_px) > 120:
            assert found is not None
            assert found.pose.xy[INDEX["neck"], 0] == pytest.approx(x_red_px, abs=1)


def test_a_newcomer_is_not_followed_after_the_person_left(world: World) -> None:
    tracker = PersonTracker(world, _cast(world, world.frame(0, (320, 300, RED))))
    assert tracker.step(world.frame(0, (320, 300, RED))) is not None
    for index in range(1, 40):
        assert tracker.step(world.frame(index, (320, 300, GREEN))) is None


def test_the_person_is_found_again_at_another_position(world: World) -> None:
    tracker = PersonTracker(world, _cast(world, world.frame(0, (150, 300, RED))))
    assert tracker.step(world.frame(0, (150, 300, RED))) is not None
    for index in range(1, 15):
        assert tracker.step(world.frame(index)) is None
    found = [tracker.step(world.frame(index, (500, 300, RED))) for index in range(15, 20)]
    assert any(found), "within half a second"
    assert found[-1] is not None


def test_selection_links_one_person_and_ignores_the_others(world: World) -> None:
    cast = _cast(world, world.frame(0, (320, 300, RED)))
    assert (len(cast.person), len(cast.others)) == (1, 0)
    both = world.frame(0, (150, 250, GREEN), (320, 300, RED))
    cast = _cast(world, both)
    assert (len(cast.person), len(cast.others)) == (1, 1)


def test_backfill_finds_a_person_whose_appearance_changes_from_the_first_frame(world: World) -> None:
    turned: Clothes = ((90, 60, 30), (150, 40, 40), (40, 40, 60))
    cast = _cast(world, world.frame(30, (320, 300, RED)))
    frames = [(320.0 + 4 * i, turned if i < 8 else RED) for i in range(12)]

    def played() -> Iterator[Frame]:
        for index, (x_px, clothes) in enumerate(frames):
            yield world.frame(index, (x_px, 300, clothes))

    assert PersonTracker(world, cast).step(next(played())) is None, "the look alone does not tell"
    found = list(track_with_backfill(PersonTracker(world, cast), played()))
    assert [time_s for time_s, _ in found] == [Fraction(i, 10) for i in range(12)]
    for (_, landmarks), (x_px, _) in zip(found, frames, strict=True):
        assert landmarks is not None
        assert landmarks.pose.xy[INDEX["neck"], 0] == pytest.approx(x_px, abs=1)


def test_the_number_of_buffered_frames_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backward_tracking, "MAX_BUFFERED_FRAMES", 5)
    held: list[int] = []
    tracker = PersonTracker(world, _cast(world, world.frame(0, (320, 300, RED))))

    def played() -> Iterator[Frame]:
        for index in range(12):
            held.append(index)
            yield world.frame(index)

    num_tracked = 0
    for _ in track_with_backfill(tracker, played()):
        num_tracked += 1
        assert len(held) - num_tracked < 6
    assert num_tracked == 12


def _look(world: World, clothes: Clothes) -> np.ndarray:
    frame = world.frame(0, (320, 300, clothes))
    return appearance_of(frame.image_rgb, world.people[0][0])


def test_parts_hidden_by_somebody_else_are_recognized(world: World) -> None:
    red, green = _look(world, RED), _look(world, GREEN)
    covered = _look(world, (RED[0], RED[1], GREEN[2]))
    assert parts_of_others(covered, [red], [green]).tolist() == [False, False, True, True, False], "thighs and shins"
    assert not parts_of_others(red, [red], [green]).any()
    assert parts_of_others(green, [red], [green]).all()
    assert not parts_of_others(covered, [red], [red]).any(), "equal clothes tell nothing"
    assert not parts_of_others(covered, [red], []).any(), "nobody else is there"


def test_hands_hidden_by_somebody_else_are_missing_not_mixed_up(world: World) -> None:
    both = world.frame(0, (100, 250, GREEN), (540, 300, RED))
    tracker = PersonTracker(world, _cast(world, both))
    assert tracker.step(both) is not None
    found = tracker.step(world.frame(1, (540, 300, (GREEN[0], RED[1], RED[2]))))
    assert found is not None
    assert (found.pose.confidence[[INDEX["right_wrist"], INDEX["left_index"], INDEX["nose"]]] == 0).all()
    assert (found.pose.confidence[[INDEX["neck"], INDEX["left_hip"], INDEX["left_ankle"]]] > 0).all()


def test_a_mixture_of_two_people_is_not_learned(world: World) -> None:
    """While they overlap, the detector finds a body of both; whoever stands there afterwards is not taken for it."""
    tracker = PersonTracker(world, _cast(world, world.frame(0, (100, 250, GREEN), (540, 300, RED))))
    mixture: Clothes = (GREEN[0], (120, 95, 50), GREEN[2])
    for index in range(10):
        tracker.step(world.frame(index, (540, 300, RED)))
    for index in range(10, 20):
        tracker.step(world.frame(index, (540, 300, mixture)))
    for index in range(20, 40):
        assert tracker.step(world.frame(index, (540, 300, GREEN))) is None
    found = [tracker.step(world.frame(index, (500, 300, RED), (140, 250, GREEN))) for index in range(40, 44)]
    assert found[-1] is not None
    assert found[-1].pose.xy[INDEX["neck"], 0] == pytest.approx(500, abs=1)


SUNLIT: Clothes = ((108, 72, 38), (180, 52, 40), (52, 46, 66))
"""Red in another light; nearer to `BROWN` than to red."""
BROWN: Clothes = ((120, 80, 45), (160, 60, 40), (60, 50, 70))


@pytest.mark.parametrize("is_seen", [True, False])
def test_another_light_is_believed_while_the_one_it_resembles_is_seen_elsewhere(world: World, is_seen: bool) -> None:
    tracker = PersonTracker(world, _cast(world, world.frame(0, (160, 300, RED), (560, 280, BROWN))))
    beside = [(560.0, 280.0, BROWN)] if is_seen else []
    found = [tracker.step(world.frame(index, (160, 300, RED if index < 5 else SUNLIT), *beside)) for index in range(20)]
    assert (found[-1] is not None) == is_seen
    if is_seen:
        assert tracker.step(world.frame(21, (170, 300, SUNLIT))) is not None, "the new look is learned"
        assert tracker.step(world.frame(22, (170, 300, GREEN))) is None


def test_a_look_that_nobody_elsewhere_has_still_counts(world: World) -> None:
    """Somebody else is seen elsewhere, but not the one whom the person now resembles."""
    cast = _cast(world, world.frame(0, (160, 300, RED), (360, 280, BROWN), (560, 280, GREEN)), person=2)
    tracker = PersonTracker(world, cast)
    found = [
        tracker.step(world.frame(index, (160, 300, RED if index < 5 else SUNLIT), (560, 280, GREEN))) for index in range(12)
    ]
    assert found[4] is not None
    assert found[-1] is None


def _brighter(clothes: Clothes, factor: float) -> Clothes:
    one, two, three = ((round(r * factor), round(g * factor), round(b * factor)) for r, g, b in clothes)
    return one, two, three


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
def test_whoever_crosses_is_not_followed_because_somebody_in_the_same_costume_stands_elsewhere(
    world: World, factor: float
) -> None:
    double = (580.0, 280.0, BROWN)
    tracker = PersonTracker(world, _cast(world, world.frame(0, (160, 300, RED), (420, 290, BROWN), double), person=2))
    for index in range(1, 30):
        x_px = 420 - 14 * index
        hidden = abs(x_px - 160) <= 70
        people = [] if hidden else [(160.0, 300.0, RED)]
        crossing = [(float(x_px), 290.0, _brighter(BROWN, factor))] if x_px > 50 else []
        found = tracker.step(world.frame(index, *people, *crossing, double))
        assert found is None or (not hidden and abs(found.pose.xy[INDEX["neck"], 0] - 160) < 8)
    assert found is not None, "and the person is found again"


def test_after_a_cut_nobody_is_where_they_were(world: World) -> None:
    """The other one, alone in the new shot, is not taken for the person because they stood elsewhere in the shot before."""
    for x_px in (80, 120, 160, 200, 260, 300, 340, 380):
        tracker = PersonTracker(world, _cast(world, world.frame(0, (160, 300, RED), (560, 280, BROWN))))
        for index in range(1, 8):
            tracker.step(world.frame(index, (160, 300, RED if index < 3 else SUNLIT), (560, 280, BROWN)))
        tracker.start_shot()
        assert all(tracker.step(world.frame(index, (x_px, 180, BROWN))) is None for index in range(8, 14))


@pytest.mark.parametrize("meets_strangers", [False, True])
def test_a_stranger_beside_the_last_place_is_not_followed(world: World, meets_strangers: bool) -> None:
    for x_px in (340, 380):
        cast = _cast(world, world.frame(0, (160, 300, RED)))
        tracker = PersonTracker(world, cast, meets_strangers=meets_strangers)
        assert tracker.step(world.frame(1, (160, 300, RED))) is not None
        assert all(tracker.step(world.frame(index, (x_px, 300, BROWN))) is None for index in range(2, 8))


@pytest.mark.parametrize("tilt_rad", [0.0, 2.5])
def test_whoever_turns_over_is_looked_for_in_turned_pictures(
    world: World, tilt_rad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = PersonTracker(world, _cast(world, world.frame(0, (320, 300, RED))))
    landmarks, detect = world.landmarks, world.detect
    turns: list[float] = []

    def tilted(image_rgb: ImageRGB, roi: RotatedRect) -> Landmarks:
        found = landmarks(image_rgb, roi)
        return replace(found, next_roi=replace(found.next_roi, angle_rad=tilt_rad))

    def upright(image_rgb: ImageRGB, window: RotatedRect | None = None, min_score: float = 0.5) -> list[Candidate]:
        turns.append(window.angle_rad if window else 0.0)
        return [each for each in detect(image_rgb, window, min_score) if abs(turns[-1] - tilt_rad) < 0.5]

    monkeypatch.setattr(world, "landmarks", tilted)
    assert tracker.step(world.frame(0, (320, 300, RED))) is not None
    assert tracker.step(world.frame(1)) is None
    monkeypatch.setattr(world, "detect", upright)
    assert tracker.step(world.frame(2, (330, 300, RED))) is not None
    assert (max(turns) > 0) == (tilt_rad > 0), "upright people cost one search"
