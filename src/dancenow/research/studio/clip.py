"""Clips of rendered dancers with their truth beside them: video, exact track, masks and the empty room.

The same dance on two identities is, frame by frame, the ground truth of a transfer between them.
"""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.errors import OptionError, OutputError
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import face_boxes, with_landmarks
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.pose.track_io import save_track
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.bvh import read_bvh, retarget
from dancenow.research.studio.choreography import DANCES
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.render import empty_room, render, seen_face, seen_pose
from dancenow.research.studio.scene import ROOMS, Room
from dancenow.research.studio.soundtrack import write_soundtrack
from dancenow.storage.atomic_io import complete_or_absent, sha256_of
from dancenow.types import FrameStatus, Pose, PoseTrack

DETECTOR: Final = "dancenow-studio"
_LIMITS: Final = {"fps": (1, 240), "size": (32, 4096), "seconds": (0.1, 3600)}


@dataclass(frozen=True)
class Clip:
    """The files of one clip: NAME.mp4, NAME.npz (the exact track), NAME.masks.mkv and NAME.background.png."""

    video: Path

    @property
    def track(self) -> Path:
        """The exact pose track."""
        return self.video.with_suffix(".npz")

    @property
    def masks(self) -> Path:
        """The person in every frame, 255 inside, soft at the edge."""
        return self.video.with_suffix(".masks.mkv")

    @property
    def background(self) -> Path:
        """The room without the dancer."""
        return self.video.with_suffix(".background.png")


def render_clip(
    identity: str,
    dance: str | Path,
    room: str,
    output: Path,
    *,
    fps: Fraction = Fraction(30),
    width_px: int = 512,
    height_px: int = 512,
    seconds: float | None = None,
    start_s: float = 0.0,
    seed: int = 0,
    crf: int = 18,
    preset: str = "veryfast",
    sound: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> Clip:
    """Render one dancer's clip to `output` (an .mp4) and write its truth beside it.

    `dance` names a choreography, or is a BVH file (then without sound). `seconds` defaults to the whole dance.

    Raises:
        UserError: an unknown name, a senseless number, an unreadable BVH file, or the studio's packages are missing.
    """
    clip = Clip(Path(output))
    _check(clip, identity, dance, room, fps, (width_px, height_px), seconds)
    body = build_body(IDENTITIES[identity])
    performance = performance_of(body, dance, float(fps), seconds, start_s)
    with tempfile.TemporaryDirectory() as scratch:
        music = None
        if sound and isinstance(dance, str):
            music = Path(scratch) / "music.wav"
            write_soundtrack(music, DANCES[dance].bpm, len(performance) / float(fps), seed)
        return film(
            body, performance, ROOMS[room], clip.video, fps=fps, width_px=width_px, height_px=height_px, seed=seed, crf=crf,
            preset=preset, music=music, on_progress=on_progress,
        )  # fmt: skip


def film(
    body: Body,
    performance: Performance,
    room: Room,
    output: Path,
    *,
    fps: Fraction,
    width_px: int,
    height_px: int,
    seed: int = 0,
    crf: int = 18,
    preset: str = "veryfast",
    music: Path | None = None,
    repeatable: bool = False,
    on_progress: ProgressCallback = ignore_progress,
) -> Clip:
    """`render_clip` of anybody in any room. repeatable: see `VideoWriter`.

    Raises:
        UserError: the studio's packages are missing, or `output` cannot be written to.
    """
    clip = Clip(Path(output))
    poses: list[Pose] = []
    with (
        VideoWriter(
            clip.video, width_px, height_px, fps=fps, sound_from=music, crf=crf, preset=preset, repeatable=repeatable
        ) as video,
        MaskWriter(clip.masks, width_px, height_px) as masks,
    ):
        for t, frame in enumerate(render(body, performance, room, width_px, height_px, seed)):
            video.write(frame.image_rgb, Fraction(t) / fps)
            masks.write(frame.mask)
            poses.append(frame.pose)
            on_progress(Progress("rendering", t + 1, len(performance)))
    whole = Pose(*(np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth")))
    save_track(clip.track, _track(whole, fps, width_px, height_px, sha256_of(clip.video)))
    with complete_or_absent(clip.background) as temporary:
        cv2.imwrite(str(temporary), empty_room(room, width_px, height_px)[..., ::-1])
    return clip


def performance_of(body: Body, dance: str | Path, fps: float, seconds: float | None, start_s: float = 0.0) -> Performance:
    """A choreography by name or a BVH file, danced by `body`."""
    if isinstance(dance, Path):
        return retarget(read_bvh(dance), body, fps, seconds, start_s)
    choreography = DANCES[dance]
    return solve(perform(choreography, fps, seconds or choreography.seconds, start_s), body)


def exact_track(
    identity: str,
    dance: str | Path,
    room: Room,
    *,
    fps: Fraction,
    width_px: int,
    height_px: int,
    seconds: float,
    start_s: float = 0.0,
) -> PoseTrack:
    """The track that `render_clip` would write, without a picture: hundreds of times faster.

    room: one of `ROOMS`, or one with another camera.

    Raises:
        UserError: an unreadable BVH file, or the studio's packages are missing.
    """
    body = build_body(IDENTITIES[identity])
    performance = performance_of(body, dance, float(fps), seconds, start_s)
    rotations = performance.rotations.astype(np.float64)
    places = body.posed_joints(rotations, performance.root)
    pose = seen_pose(body, rotations, places, room, width_px, height_px)
    return _track(pose, fps, width_px, height_px, "")


def exact_faces(
    identity: str,
    dance: str | Path,
    room: Room,
    *,
    fps: Fraction,
    width_px: int,
    height_px: int,
    seconds: float,
    start_s: float = 0.0,
) -> FaceTrack:
    """The face of `exact_track`, without a picture: landmarks and expression as they are, turned away or not.

    Raises:
        UserError: an unreadable BVH file, or the studio's packages are missing.
    """
    body = build_body(IDENTITIES[identity])
    performance = performance_of(body, dance, float(fps), seconds, start_s)
    rotations = performance.rotations.astype(np.float64)
    places = body.posed_joints(rotations, performance.root)
    pose = seen_pose(body, rotations, places, room, width_px, height_px)
    points = seen_face(body, rotations, places, performance.face, room, width_px, height_px)
    boxes = face_boxes(_track(pose, fps, width_px, height_px, ""))
    return with_landmarks(boxes, points, np.ones(len(points), np.float32), DETECTOR)


def _track(pose: Pose, fps: Fraction, width_px: int, height_px: int, sha256: str) -> PoseTrack:
    time_s = np.array([float(Fraction(t) / fps) for t in range(len(pose))])
    status = np.full(len(pose), FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, time_s, status, width_px, height_px, DETECTOR, sha256)


def _check(
    clip: Clip, identity: str, dance: str | Path, room: str, fps: Fraction, size: tuple[int, int], seconds: float | None
) -> None:
    choices = [("identity", identity, list(IDENTITIES)), ("room", room, list(ROOMS))]
    if isinstance(dance, str):
        choices.append(("dance", dance, list(DANCES)))
    for what, name, known in choices:
        if name not in known:
            raise OptionError(f"there is no {what} {name!r}; choose one of {', '.join(known)}.")
    if clip.video.suffix.lower() != ".mp4":
        raise OutputError(f"cannot write {clip.video}: give the clip a name that ends in .mp4.")
    values = [
        ("fps", float(fps)),
        ("size", min(size)),
        ("size", max(size)),
        ("seconds", seconds if seconds is not None else 1.0),
    ]
    for what, value in values:
        low, high = _LIMITS[what]
        if not low <= value <= high:
            raise OptionError(f"{what} must lie between {low} and {high}, got {value:g}.")
