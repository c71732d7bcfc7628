"""Blending: nothing changes outside the crop, an unchanged face changes nothing, colors match at the rim, hands stay in
front.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dancenow.face.blending import BLEND_METHODS, DEFAULT_RAMP, WIDE_RAMP, Blender, Method
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import face_boxes
from dancenow.face.poisson import membrane
from dancenow.skeleton import INDEX
from dancenow.types import ImageRGB, Pose, PoseTrack
from helpers.drawn_world import dancer_track

TRACK = dancer_track(12, body_px=420, size_px=512)


@pytest.fixture(scope="module")
def faces() -> FaceTrack:
    return face_boxes(TRACK)


@pytest.fixture(scope="module")
def frame() -> ImageRGB:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.asarray(np.clip(128 + 6 * (soft - 128), 20, 230), np.uint8)


def _outside(faces: FaceTrack, t: int) -> np.ndarray:
    rows, columns = np.mgrid[:512, :512]
    canvas = (
        np.einsum("ab,bhw->ahw", faces.to_canvas[t][:, :2], np.stack([columns, rows])) + faces.to_canvas[t][:, 2, None, None]
    )
    return np.asarray(((canvas < -1) | (canvas > faces.size_px)).any(axis=0))


@pytest.mark.parametrize("method", list(BLEND_METHODS))
def test_nothing_changes_outside_the_crop(faces: FaceTrack, frame: ImageRGB, method: Method) -> None:
    face = np.full((faces.size_px, faces.size_px, 3), 255, np.uint8)
    out = Blender(faces, method).blend(frame, face, 3)
    changed = (out != frame).any(axis=2)
    assert not changed[_outside(faces, 3)].any()
    if method in ("paste", "feather"):
        assert changed.any()


@pytest.mark.parametrize("method", ["feather", "poisson"])
def test_blending_the_original_face_changes_nothing(faces: FaceTrack, frame: ImageRGB, method: Method) -> None:
    blender = Blender(faces, method)
    for t in range(3):
        assert np.array_equal(blender.blend(frame, crop_face(frame, faces.crop(t)), t), frame)


def test_a_residual_reaches_nearly_to_the_rim(faces: FaceTrack, frame: ImageRGB) -> None:
    lighter = crop_face(frame, faces.crop(0)) + np.uint8(20)
    usual, whole = (Blender(faces, "feather", ramp=ramp).blend(frame, lighter, 0) for ramp in (DEFAULT_RAMP, WIDE_RAMP))
    area = [(out > frame + 15).all(axis=2).sum() for out in (usual, whole)]
    assert area[1] > 1.25 * area[0]
    assert not (whole != frame).any(axis=2)[_outside(faces, 0)].any()


def test_poisson_removes_a_color_shift_and_keeps_a_new_feature(faces: FaceTrack, frame: ImageRGB) -> None:
    face = crop_face(frame, faces.crop(0)).astype(np.float32)
    tinted = np.rint(face * np.array([1.1, 1.0, 0.9], np.float32)).clip(0, 255).astype(np.uint8)
    marked = tinted.copy()
    marked[60:68, 60:68] = 255
    poisson, feather = (Blender(faces, method).blend(frame, tinted, 0).astype(int) for method in ("poisson", "feather"))
    middle = tuple(np.rint(faces.crop(0).to_frame @ [63.5, 63.5, 1]).astype(int)[::-1])
    assert np.abs(poisson - frame).max() <= 5
    assert np.abs(poisson - frame)[poisson != frame].mean() < 2
    assert np.abs(feather[middle] - frame[middle]).max() >= 10
    assert Blender(faces, "poisson").blend(frame, marked, 0)[middle].min() > 230


def test_a_hand_in_front_of_the_face_stays(faces: FaceTrack, frame: ImageRGB) -> None:
    xy = TRACK.pose.xy[0].copy()
    x, y = faces.crop(0).to_frame @ [63.5, 63.5, 1]
    for part, (dx, dy) in {"elbow": (60, 120), "wrist": (10, 30), "index": (0, 0), "pinky": (6, 2), "thumb": (-8, 10)}.items():
        xy[INDEX[f"left_{part}"]] = [x + dx, y + dy]
    pose = Pose(xy, TRACK.pose.confidence[0])
    white = np.full((faces.size_px, faces.size_px, 3), 255, np.uint8)
    out = Blender(faces, "feather").blend(frame, white, 0, pose)
    assert np.array_equal(out[int(y) + 15, int(x) + 5], frame[int(y) + 15, int(x) + 5])
    assert out[int(y) + 10, int(x) - 24].min() > 230


def test_a_flickering_rim_does_not_change_the_brightness_of_the_face(faces: FaceTrack, frame: ImageRGB) -> None:
    still = replace(faces, to_canvas=np.repeat(faces.to_canvas[:1], len(faces), axis=0))

    def brightness(rim_time_s: float) -> float:
        blender, means = Blender(still, "poisson", rim_time_s), []
        for t in range(12):
            face = crop_face(frame, still.crop(t)).astype(np.float32)
            face[:4] += 60 * (t % 2)
            out = blender.blend(frame, face.clip(0, 255).astype(np.uint8), t)
            x, y = np.rint(still.crop(t).to_frame @ [63.5, 63.5, 1]).astype(int)
            means.append(out[y - 8 : y + 8, x - 8 : x + 8].mean())
        return float(np.abs(np.diff(means[4:])).mean())

    assert brightness(0.1) < 0.5 * brightness(0.0)


def test_a_crop_beyond_the_frame_is_blended_inside_it(frame: ImageRGB) -> None:
    moved = Pose(TRACK.pose.xy - np.array([0, 60], np.float32), TRACK.pose.confidence)
    over = face_boxes(PoseTrack(moved, TRACK.time_s, TRACK.status, 512, 512, "test", ""))
    assert over.crop(0).to_frame[1, 2] < 0
    for method in BLEND_METHODS:
        face = np.full((over.size_px, over.size_px, 3), 200, np.uint8)
        assert Blender(over, method).blend(frame, face, 0).shape == frame.shape


def test_a_face_of_another_size_is_rejected(faces: FaceTrack, frame: ImageRGB) -> None:
    with pytest.raises(ValueError, match="must be"):
        Blender(faces).blend(frame, np.zeros((64, 64, 3), np.uint8), 0)


def test_the_membrane_matches_a_dense_solver() -> None:
    height, width = 9, 12
    rim = np.random.default_rng(1).normal(size=(height, width, 2)).astype(np.float32)
    inner = [(y, x) for y in range(1, height - 1) for x in range(1, width - 1)]
    number = {place: i for i, place in enumerate(inner)}
    matrix, right = np.zeros((len(inner), len(inner))), np.zeros((len(inner), 2))
    for (y, x), i in number.items():
        matrix[i, i] = 4
        for place in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if place in number:
                matrix[i, number[place]] = -1
            else:
                right[i] += rim[place]
    wanted = np.linalg.solve(matrix, right).reshape(height - 2, width - 2, 2)
    assert np.allclose(membrane(rim)[1:-1, 1:-1], wanted, atol=1e-4)
