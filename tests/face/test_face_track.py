"""Face tracks on disk: they survive saving and loading, and a bad file gives one sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.face.face_track import Reason, load_faces, save_faces
from dancenow.face.face_tracking import face_boxes
from helpers.drawn_world import dancer_track


def test_faces_survive_saving_and_loading(tmp_path: Path) -> None:
    faces = face_boxes(dancer_track(20, body_px=400, size_px=512))
    save_faces(tmp_path / "faces.npz", faces)
    back = load_faces(tmp_path / "faces.npz")
    for name in ("to_canvas", "reason", "head_px", "expression", "landmarks", "time_s"):
        assert np.array_equal(getattr(back, name), getattr(faces, name)), name
    assert (back.size_px, back.detector, back.width_px) == (faces.size_px, faces.detector, faces.width_px)
    assert back.summary()["ok"] == 20


def test_a_bad_file_gives_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    with pytest.raises(UserError, match="does not exist"):
        load_faces(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(UserError, match="damaged"):
        load_faces(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(UserError, match="of this version"):
        load_faces(path)
    faces = face_boxes(dancer_track(8))
    save_faces(path, faces)
    with np.load(path) as file:
        held = dict(file)
    np.savez(path, **(held | {"head_px": held["head_px"][:-1]}))
    with pytest.raises(UserError, match="damaged"):
        load_faces(path)
    with pytest.raises(UserError, match=r"\.npz"):
        save_faces(tmp_path / "faces.json", faces)


def test_a_track_rejects_non_finite_and_unknown_values() -> None:
    faces = face_boxes(dancer_track(8))
    with pytest.raises(ValueError, match="finite"):
        replace(faces, expression=np.full_like(faces.expression, np.nan))
    with pytest.raises(ValueError, match="unknown"):
        replace(faces, reason=np.full(8, len(Reason), np.uint8))
