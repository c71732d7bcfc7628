"""Ground truth of rendered faces, and the networks measured against it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.face.align import normalize_expression
from dancenow.face.face_track import EXPRESSION, FaceTrack, Reason
from dancenow.face.face_tracking import extract_faces, face_boxes, with_landmarks
from dancenow.media.sink import VideoWriter
from dancenow.research.studio.body import ACTIONS, Body
from dancenow.research.studio.choreography import DANCES
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.render import project_face, project_pose, render
from dancenow.research.studio.scene import ROOMS, Camera, Room
from dancenow.types import PoseTrack

FPS = 12
SIZE_PX = 192


def speaking(body: Body, seconds: float) -> Performance:
    """A person who stands still; mouth, right lid and brows move, each at its own rate."""
    count = round(seconds * FPS)
    time_s = np.arange(count) / FPS
    face = np.zeros((count, len(ACTIONS)), np.float32)
    for names, hz in ((("jawOpen",), 0.9), (("eyeBlinkRight",), 0.6), (("browOuterUpLeft", "browInnerUp"), 0.4)):
        for name in names:
            face[:, ACTIONS.index(name)] = 0.4 * (1 - np.cos(2 * np.pi * hz * time_s))
    rotations = np.tile(np.eye(3, dtype=np.float32), (count, len(body.names), 1, 1))
    return Performance(time_s, rotations, np.tile(body.joints[:1], (count, 1)), face)


def before_the_face(body: Body) -> Room:
    _, y, z = body.joint("eye.L")
    return replace(ROOMS["bright"], camera=Camera((0.0, float(y) - 1.5, float(z)), (0.0, float(y), float(z) - 0.03), 3.2))


def truth_of(body: Body, performance: Performance, room: Room, size_px: int) -> tuple[PoseTrack, FaceTrack]:
    rotations = performance.rotations.astype(np.float64)
    positions = body.posed_joints(rotations, performance.root)
    pose = project_pose(body, rotations, positions, room, size_px, size_px)
    status = np.zeros(len(performance), np.uint8)
    track = PoseTrack(pose, np.arange(len(performance)) / FPS, status, size_px, size_px, "studio", "")
    points = project_face(body, rotations, positions, performance.face, room, size_px, size_px)
    return track, with_landmarks(face_boxes(track), points, np.ones(len(points), np.float32), "studio")


def term(faces: FaceTrack, name: str) -> np.ndarray:
    return np.asarray(faces.expression[:, EXPRESSION.index(name)])


def test_the_expression_follows_the_facial_actions(ada: Body) -> None:
    performance = speaking(ada, 5.0)
    _, faces = truth_of(ada, performance, before_the_face(ada), SIZE_PX)
    for name, action in (
        ("mouth_opening", "jawOpen"),
        ("right_eye_opening", "eyeBlinkRight"),
        ("left_brow_raise", "browInnerUp"),
    ):
        sign = -1 if "eye" in name else 1
        assert np.corrcoef(term(faces, name), sign * performance.face[:, ACTIONS.index(action)])[0, 1] > 0.98, name
    assert np.ptp(term(faces, "left_eye_opening")) < 0.1 * np.ptp(term(faces, "right_eye_opening"))
    assert (faces.reason == Reason.OK).all()


def test_a_dancer_who_turns_around_is_turned_away(ben: Body) -> None:
    performance = solve(perform(DANCES["pulse"], FPS, 3.0, 3.0), ben)
    _, faces = truth_of(ben, performance, ROOMS["bright"], 512)
    away = np.abs(term(faces, "yaw")) > np.radians(115)
    towards = np.abs(term(faces, "yaw")) < np.radians(85)
    assert away.sum() > 3
    assert (faces.reason[away] == Reason.TURNED).all()
    assert (faces.reason[towards] != Reason.TURNED).all()


@pytest.mark.slow
@pytest.mark.pretrained
def test_the_networks_measure_the_expression_of_a_rendered_face(ada: Body, ben: Body, tmp_path: Path) -> None:
    performance, room = speaking(ada, 3.0), before_the_face(ada)
    track, truth = truth_of(ada, performance, room, SIZE_PX)
    with VideoWriter(tmp_path / "v.mp4", SIZE_PX, SIZE_PX, fps=Fraction(FPS), crf=12) as writer:
        for t, frame in enumerate(render(ada, performance, room, SIZE_PX, SIZE_PX)):
            writer.write(frame.image_rgb, Fraction(t, FPS))
    faces = extract_faces(tmp_path / "v.mp4", track, use_cache=False)
    assert (faces.landmark_confidence > 0.5).all()
    off = np.linalg.norm(faces.landmarks - truth.landmarks, axis=2) / truth.head_px[:, None]
    assert off[:, 17:].mean() < 0.02
    for name, least in (("mouth_opening", 0.95), ("right_eye_opening", 0.9), ("left_brow_raise", 0.5)):
        assert np.corrcoef(term(faces, name), term(truth, name))[0, 1] > least, name
    _, other = truth_of(ben, replace(performance, face=np.zeros_like(performance.face)), before_the_face(ben), SIZE_PX)
    dance = normalize_expression(faces, other, face_boxes(track))
    gap = np.linalg.norm(dance.landmarks[:, 66] - dance.landmarks[:, 62], axis=1)
    assert np.corrcoef(gap, term(truth, "mouth_opening"))[0, 1] > 0.95
