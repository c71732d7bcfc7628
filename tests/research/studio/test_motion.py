"""Dances: they use the whole body, stay on the floor, and are the same on every body."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.research.studio.body import ACTIONS, Body
from dancenow.research.studio.choreography import DANCES, VOWELS
from dancenow.research.studio.motion import Controls, Performance, pchip, perform, solve
from dancenow.skeleton import INDEX

pytestmark = pytest.mark.slow  # whole paths, each some seconds

FPS = 30.0


def keypoints(body: Body, performance: Performance) -> NDArray[np.float64]:
    """World positions [T,K,3]."""
    return body.keypoints(performance.rotations, body.posed_joints(performance.rotations, performance.root))


def planted(moves: Controls, side: int) -> NDArray[np.bool_]:
    """Intervals [T-1] during which a foot is specified to stand still and flat."""
    still = np.abs(np.diff(moves.foot_m[:, side], axis=0)).max(1) < 1e-9
    flat = np.maximum(moves.heel_rad[1:, side], moves.heel_rad[:-1, side]) < 1e-6
    unturned = np.abs(np.diff(moves.foot_yaw_rad[:, side])) < 1e-9
    return np.asarray(still & flat & unturned & (moves.foot_m[1:, side, 2] < 1e-9))


@pytest.mark.parametrize("name", DANCES)
@pytest.mark.parametrize("who", ["ada", "ben"])
def test_planted_feet_do_not_slide(name: str, who: str, request: pytest.FixtureRequest) -> None:
    body: Body = request.getfixturevalue(who)
    moves = perform(DANCES[name], FPS, DANCES[name].seconds)
    points = keypoints(body, solve(moves, body))
    for side, prefix in enumerate(("left", "right")):
        stands = planted(moves, side)
        assert stands.mean() > 0.15
        for part in ("toe", "heel"):
            place = points[:, INDEX[f"{prefix}_{part}"]]
            slide_m = np.linalg.norm(np.diff(place, axis=0), axis=1)[stands]
            assert np.quantile(slide_m, 0.98) < 0.003
            assert slide_m.max() < 0.012


@pytest.mark.parametrize("name", DANCES)
def test_shoes_stay_on_the_floor(name: str, ben: Body) -> None:
    performance = solve(perform(DANCES[name], 3.0, DANCES[name].seconds), ben)
    lowest_m = []
    for rotations, root, face in zip(performance.rotations, performance.root, performance.face, strict=True):
        vertices = ben.posed_vertices(rotations, ben.posed_joints(rotations, root), face)
        lowest_m.append(vertices[:, 2].min())
    assert min(lowest_m) > -0.03
    assert max(lowest_m) < 0.04


@pytest.mark.parametrize("name", DANCES)
def test_a_dance_uses_the_whole_body(name: str, ada: Body) -> None:
    dance = DANCES[name]
    moves = perform(dance, FPS, dance.seconds)
    points = keypoints(ada, solve(moves, ada))
    assert dance.seconds >= 20
    assert (points[:, INDEX["left_wrist"], 2] > points[:, INDEX["nose"], 2] + 0.15).any()
    assert np.ptp(moves.facing_rad) >= 2 * np.pi - 1e-6
    assert np.ptp(points[:, INDEX["neck"], 0]) > 0.4
    assert points[..., 0].max() < 1.4
    assert points[..., 0].min() > -1.4
    assert np.ptp(moves.face, axis=0).max() > 0.5


def test_kicks_are_high(ada: Body) -> None:
    for name in ("pulse", "spark"):
        points = keypoints(ada, solve(perform(DANCES[name], FPS, DANCES[name].seconds), ada))
        assert points[:, INDEX["left_ankle"], 2].max() > 0.45
        assert points[:, INDEX["right_ankle"], 2].max() > 0.45


def test_limbs_keep_their_length(ada: Body) -> None:
    points = keypoints(ada, solve(perform(DANCES["spark"], 10.0, 20.0), ada))
    for a, b in (
        ("left_shoulder", "left_elbow"),
        ("right_elbow", "right_wrist"),
        ("left_hip", "left_knee"),
        ("right_knee", "right_ankle"),
    ):
        length_m = np.linalg.norm(points[:, INDEX[a]] - points[:, INDEX[b]], axis=1)
        assert np.ptp(length_m) < 0.002


def test_two_bodies_dance_the_same(ada: Body, ben: Body) -> None:
    moves = perform(DANCES["pulse"], 10.0, 20.0)
    ours, theirs = keypoints(ada, solve(moves, ada)), keypoints(ben, solve(moves, ben))
    for a, b in (("left_shoulder", "left_elbow"), ("right_elbow", "right_wrist"), ("left_knee", "left_ankle")):
        first, second = ours[:, INDEX[b]] - ours[:, INDEX[a]], theirs[:, INDEX[b]] - theirs[:, INDEX[a]]
        cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 20
    assert np.abs(ours[0] - theirs[0]).max() > 0.02


def test_a_dance_is_looped_when_more_is_requested(ada: Body) -> None:
    dance = DANCES["pulse"]
    longer = solve(perform(dance, 10.0, 2 * dance.seconds), ada)
    step_m = np.linalg.norm(np.diff(longer.root, axis=0), axis=1)
    assert len(longer) == 20 * dance.seconds
    assert step_m.max() < 0.2


def test_a_song_opens_the_mouth_and_nearly_closes_it_before_every_vowel() -> None:
    dance = DANCES["chorus"]
    jaw = ACTIONS.index("jawOpen")
    face = perform(dance, 104 * 2 * 10 / 60, 8.0).face  # ten frames each half beat
    silent = perform(replace(dance, song=""), 104 * 2 * 10 / 60, 8.0).face
    starts, widest = face[:160:10, jaw], face[4:160:10, jaw]
    for i, vowel in enumerate(dance.song):
        assert widest[i] - silent[4 + 10 * i, jaw] == pytest.approx(VOWELS[vowel].get("jawOpen", 0.0), abs=0.01)
        assert starts[i] - silent[10 * i, jaw] <= 0.2 * VOWELS[vowel].get("jawOpen", 0.0) + 0.01
    assert np.array_equal(face[:, ACTIONS.index("eyeBlinkLeft")], silent[:, ACTIONS.index("eyeBlinkLeft")])


def test_interpolation_hits_its_keys_and_never_overshoots() -> None:
    knots, values = np.array([0.0, 1.0, 1.5, 4.0]), np.array([[0.0], [1.0], [1.0], [-2.0]])
    where = np.linspace(-1, 5, 200)
    curve = pchip(knots, values, where)
    assert np.allclose(pchip(knots, values, knots), values)
    assert curve.max() <= 1 + 1e-9
    assert curve.min() >= -2 - 1e-9
