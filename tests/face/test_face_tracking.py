"""Face tracking with fake networks: calls, caching and rejected input."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.face import face_tracking
from dancenow.face.align import project_rotated
from dancenow.face.face_model import LANDMARK_MODEL
from dancenow.face.face_track import Reason
from dancenow.face.face_tracking import extract_faces
from dancenow.face.landmarks import MESH_TO_68, Mesh, roi_of_points
from dancenow.media.sink import VideoWriter
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.progress import ProgressCallback
from dancenow.types import ImageRGB, Pose, PoseTrack
from helpers.faces import HEIGHT_PX, turning

COUNT = 24


class Networks:
    """Detects the model's face at (200, 100), shifted right with the image brightness; nothing in a dark image."""

    asked = 0

    def __init__(self, _on_progress: ProgressCallback) -> None:
        pass

    def detect(self, _image: ImageRGB, _window: RotatedRect) -> RotatedRect | None:
        return None

    def mesh(self, image: ImageRGB, _roi: RotatedRect) -> Mesh:
        type(self).asked += 1
        off_px = float(image.mean()) - 100
        points = np.zeros((468, 3))
        flat = project_rotated(LANDMARK_MODEL, np.zeros(1), np.zeros(1))[0]
        points[MESH_TO_68] = np.concatenate([flat, LANDMARK_MODEL[:, 2:]], axis=1) * HEIGHT_PX
        points[[10, 152]] = [[0, -0.37 * HEIGHT_PX, 0], [0, 0.41 * HEIGHT_PX, 0]]
        points += [200 + off_px, 100, 0]
        return Mesh(
            points.astype(np.float32),
            0.0 if image.mean() < 50 else 1.0,
            roi_of_points(points[[MESH_TO_68[0]] * 468, :2].astype(np.float32)),
        )


@pytest.fixture(autouse=True)
def _stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_tracking, "FaceNetworks", Networks)
    monkeypatch.setattr(Networks, "asked", 0)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def film(path: Path, brightness: list[int]) -> Path:
    with VideoWriter(path, 400, 500, fps=Fraction(30), crf=1) as writer:
        for t, level in enumerate(brightness):
            writer.write(np.full((500, 400, 3), level, np.uint8), Fraction(t, 30))
    return path


def test_a_mesh_that_matches_the_pose_is_accepted(tmp_path: Path) -> None:
    faces = extract_faces(film(tmp_path / "v.mp4", [100] * COUNT), turning(np.zeros(COUNT)))
    assert (faces.landmark_confidence > 0.6).all()
    assert np.abs(faces.landmarks[5] - (LANDMARK_MODEL[:, :2] * HEIGHT_PX + [200, 100]))[17:].max() < 1.5
    assert faces.valid.all()


def test_a_mesh_that_contradicts_the_pose_is_discarded(tmp_path: Path) -> None:
    faces = extract_faces(film(tmp_path / "v.mp4", [140] * COUNT), turning(np.zeros(COUNT)))
    assert (faces.landmark_confidence == 0).all()
    assert (faces.expression_confidence[:, :6] == 0).all()
    assert (faces.expression_confidence[:, 6:] == 1).all(), "the turn is known from the pose"
    assert faces.valid.all(), "the face is there all the same"


def test_a_face_not_detected_for_several_frames_is_hidden(tmp_path: Path) -> None:
    faces = extract_faces(
        film(tmp_path / "v.mp4", [100] * 8 + [20] * 8 + [100] * 3 + [20] + [100] * 4), turning(np.zeros(COUNT))
    )
    assert (faces.reason[9:15] == Reason.HIDDEN).all()
    assert (faces.reason[17:] == Reason.OK).all(), "one dark frame is a blur"
    assert faces.landmark_confidence[19] > 0, "and is filled"
    assert faces.landmark_confidence[12] == 0


def test_no_network_runs_on_faces_turned_away_or_too_small(tmp_path: Path) -> None:
    video = film(tmp_path / "v.mp4", [100] * COUNT)
    extract_faces(video, turning(np.full(COUNT, np.pi)))
    extract_faces(video, turning(np.zeros(COUNT), height_px=14.0))
    assert Networks.asked == 0


def test_results_of_the_same_video_and_track_are_cached(tmp_path: Path) -> None:
    video, track = film(tmp_path / "v.mp4", [100] * COUNT), turning(np.zeros(COUNT))
    first = extract_faces(video, track)
    asked = Networks.asked
    again = extract_faces(video, track)
    assert Networks.asked == asked
    assert np.array_equal(again.landmarks, first.landmarks)
    (kept,) = (tmp_path / "cache" / "faces").glob("*.npz")
    kept.write_bytes(b"not any more")
    assert np.array_equal(extract_faces(video, track).landmarks, first.landmarks)
    assert Networks.asked > asked
    extract_faces(video, replace(track, pose=Pose(track.pose.xy + np.float32(1), track.pose.confidence)))
    assert len(list((tmp_path / "cache" / "faces").glob("*.npz"))) == 2


def test_a_video_of_another_track_gives_one_sentence(tmp_path: Path) -> None:
    video = film(tmp_path / "v.mp4", [100] * 5)
    with pytest.raises(UserError, match="5 frames"):
        extract_faces(video, turning(np.zeros(COUNT)))
    track = turning(np.zeros(5))
    other = PoseTrack(track.pose, track.time_s, track.status, 640, 480, "test", "")
    with pytest.raises(UserError, match="400x500"):
        extract_faces(video, other)
    with pytest.raises(UserError):
        extract_faces(tmp_path / "absent.mp4", track)


def test_a_track_of_every_third_frame_gives_one_sentence(tmp_path: Path) -> None:
    video = film(tmp_path / "v.mp4", [100] * 60)
    with pytest.raises(UserError, match="skips frames"):
        extract_faces(video, turning(np.zeros(20), fps=10.0))
