"""Face dataset: faces are cropped, shifted together, sampled evenly, and rejected with the reason."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dancenow.face.dataset import FaceDataset, native_canvas_px, resize_canvas, unusable_reason, usable_faces
from dancenow.face.face_state import face_tensors, faces_from_tensors
from dancenow.face.face_tracking import face_boxes
from helpers.drawn_world import film
from helpers.face_world import AWAY, large_dancer, small_dancer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    track = large_dancer(30)
    video = film(tmp_path_factory.mktemp("film") / "film.mp4", track)
    faces = face_boxes(track, size_px=64)
    return FaceDataset.build(video, faces, track.pose, usable_faces(faces, np.ones(30, np.bool_), 10))


def test_the_canvas_has_about_the_size_of_the_face_in_its_frame() -> None:
    faces = face_boxes(large_dancer(30))
    side_px = native_canvas_px(faces, 128)
    assert side_px % 16 == 0
    scale = float(np.median(resize_canvas(faces, side_px).to_canvas[:, 0, 0]))
    assert 0.8 < scale < 1.25
    assert native_canvas_px(faces, 48) == 48


def test_a_resized_canvas_shows_the_same_crop() -> None:
    faces = face_boxes(large_dancer(3), size_px=128)
    half = resize_canvas(faces, 64)
    # The outer corners of the outermost pixels stay in place.
    for corner, at in ((-0.5, -0.5), (63.5, 127.5)):
        one, other = half.crop(0).to_frame @ [corner, corner, 1], faces.crop(0).to_frame @ [at, at, 1]
        np.testing.assert_allclose(one, other)


def test_faces_are_valid_and_spread_over_time(store: FaceDataset) -> None:
    assert len(store) == 10
    assert not set(store.frames.tolist()) & set(range(AWAY.start, AWAY.stop))
    assert store.frames[0] == 0
    assert store.frames[-1] == 29
    with_gap = usable_faces(store.track, np.arange(30) >= 20, 10)
    assert with_gap.tolist() == list(range(20, 30))


def test_image_maps_and_generated_image_are_shifted_together(store: FaceDataset) -> None:
    painted = store.image.copy()
    faces = store.draw(6, np.random.default_rng(0), CPU, painted)
    assert faces.generated is not None
    assert torch.equal(faces.generated, faces.image)
    assert faces.image.shape == (6, 3, 64, 64)
    again = store.draw(6, np.random.default_rng(0), CPU, painted)
    assert torch.equal(again.maps, faces.maps)
    # Unshifted, the nose's dot is at the nose of the crop; shifted, it moves with the image.
    rows = np.array([4])
    here = store.take(rows, np.array([[4, 4]]), CPU)
    there = store.take(rows, np.array([[6, 3]]), CPU)
    assert torch.equal(here.image[..., 3:-3, 4:-2], there.image[..., 4:-2, 2:-4])
    assert torch.equal(here.maps[..., 3:-3, 4:-2], there.maps[..., 4:-2, 2:-4])


def test_the_reason_why_a_face_is_unusable_is_one_sentence() -> None:
    everything = np.ones(40, np.bool_)
    assert unusable_reason(face_boxes(large_dancer(40)), everything, "kim") is None
    small = unusable_reason(face_boxes(small_dancer(40)), everything, "kim")
    assert small is not None
    assert small.startswith("the face of kim is too small")
    few = unusable_reason(face_boxes(large_dancer(20)), everything[:20], "kim")
    assert few is not None
    assert "is visible in only 14 of 20 frames" in few
    assert few.count(".") == 1


def test_faces_survive_storage_in_a_model() -> None:
    faces = replace(face_boxes(large_dancer(30), size_px=64), source_sha256="1" * 64)
    rows = np.flatnonzero(faces.valid)
    kept = {name.removeprefix("faces."): tensor for name, tensor in face_tensors(faces, rows).items()}
    back = faces_from_tensors(kept, {"width_px": 256, "height_px": 256, "source_sha256": "1" * 64}, 64)
    np.testing.assert_array_equal(back.head_px, faces.head_px[rows])
    np.testing.assert_array_equal(back.to_canvas, faces.to_canvas[rows])
    with pytest.raises(KeyError):
        faces_from_tensors(kept, {}, 64)
