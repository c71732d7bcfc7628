"""A saved track loads unchanged, and a damaged file gives one clear error."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.pose.track_io import load_track, save_track
from dancenow.types import PoseTrack


def test_a_saved_track_loads_unchanged(swaying: Callable[..., PoseTrack], tmp_path: Path) -> None:
    track = swaying(noise_px=1.0)
    save_track(tmp_path / "t.npz", track)
    again = load_track(tmp_path / "t.npz")
    for name in ("xy", "confidence", "depth"):
        np.testing.assert_array_equal(getattr(again.pose, name), getattr(track.pose, name))
    np.testing.assert_array_equal(again.time_s, track.time_s)
    np.testing.assert_array_equal(again.status, track.status)
    assert (again.width_px, again.height_px) == (track.width_px, track.height_px)
    assert (again.detector, again.source_sha256) == (track.detector, track.source_sha256)


def test_another_suffix_is_refused(swaying: Callable[..., PoseTrack], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.npz"):
        save_track(tmp_path / "t.mp4", swaying())


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "other arrays", "not finite", "wrong shape", "pickle"])
def test_a_file_that_is_not_a_track_is_reported_in_one_sentence(
    swaying: Callable[..., PoseTrack], tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "t.npz"
    save_track(path, swaying())
    with np.load(path) as file:
        held = dict(file)
    if damage == "missing":
        path.unlink()
    elif damage in ("empty", "text"):
        path.write_bytes(b"" if damage == "empty" else b"not a track")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-2000])
    elif damage == "other arrays":
        np.savez(path, kp2d=held["xy"])
    elif damage == "not finite":
        held["xy"][3, 3, 0] = np.nan
        np.savez(path, **held)
    elif damage == "wrong shape":
        held["time_s"] = held["time_s"][:-1]
        np.savez(path, **held)
    else:
        held["xy"] = np.array([{"a": 1}], dtype=object)
        np.savez(path, **held)
    with pytest.raises(UserError) as caught:
        load_track(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
