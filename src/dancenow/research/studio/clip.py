"""Clips of synthetic dancers with ground truth: video, exact track, masks and the empty room.

The same dance on two identities is, frame by frame, the ground truth of a transfer between them.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

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
from dancenow.research.studio.render import empty_room, project_face, project_pose, render
from dancenow.research.studio.scene import ROOMS, Room
from dancenow.research.studio.soundtrack import write_soundtrack
from dancenow.storage.atomic_io import all_or_none, require_writable, sha256_of
from dancenow.storage.unfinished import scratch_folder
from dancenow.types import FrameStatus, Pose, PoseTrack

DETECTOR: Final = "dancenow-studio"
_LIMITS: Final = {"fps": (1, 240), "size": (32, 4096), "seconds": (0.1, 3600)}


@dataclass(frozen=True)
class Clip:
    """Files of one clip: NAME.mp4, NAME.npz (exact track), NAME.masks.mkv and NAME.background.png."""

    video: Path

    @property
    def track(self) -> Path:
        """The exact pose track."""
        return self.video.with_suffix(".npz")

    @property
    def masks(self) -> Path:
        """Person mask of every frame, 255 inside, with soft edges."""
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
    """Render a clip of one dancer to `output` (an .mp4) with its ground truth beside it.

    `dance` is the name of a choreography or a BVH file (then without sound). `seconds` defaults to the whole dance.

    Raises:
        UserError: an unknown name, an invalid number, an unreadable BVH file, or the studio packages are missing.
    """
    clip = Clip(Path(output))
    _require_valid(clip, identity, dance, room, fps, (width_px, height_px), seconds)
    body = build_body(IDENTITIES[identity])
    performance = create_performance(body, dance, float(fps), seconds, start_s)
    with scratch_folder() as scratch:
        music = None
        if sound and isinstance(dance, str):
            music = scratch / "music.wav"
            write_soundtrack(music, DANCES[dance].bpm, len(performance) / float(fps), seed)
        return render_performance(
            body, performance, ROOMS[room], clip.video, fps=fps, width_px=width_px, height_px=height_px, seed=seed, crf=crf,
            preset=preset, music=music, on_progress=on_progress,
        )  # fmt: skip


def render_performance(
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
    """Render a clip as `render_clip`, for any body and room. repeatable: see `VideoWriter`.

    Raises:
        UserError: the studio packages are missing, or `output` is not writable.
    """
    clip = Clip(Path(output))
    require_writable(clip.video, ".mp4")
    with all_or_none(clip.video, clip.track, clip.masks, clip.background) as (video, *_):
        unfinished, poses = Clip(video), list[Pose]()
        with (
            VideoWriter(
                video, width_px, height_px, fps=fps, sound_from=music, crf=crf, preset=preset, repeatable=repeatable
            ) as images,
            MaskWriter(unfinished.masks, width_px, height_px) as masks,
        ):
            for t, frame in enumerate(render(body, performance, room, width_px, height_px, seed)):
                images.write(frame.image_rgb, Fraction(t) / fps)
                masks.write(frame.mask)
                poses.append(frame.pose)
                on_progress(Progress("rendering", t + 1, len(performance)))
        stacked = Pose(*(np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth")))
        save_track(unfinished.track, _track(stacked, fps, width_px, height_px, sha256_of(video)))
        empty = cv2.imencode(".png", empty_room(room, width_px, height_px)[..., ::-1])[1]
        unfinished.background.write_bytes(empty.tobytes())
    return clip


def create_performance(body: Body, dance: str | Path, fps: float, seconds: float | None, start_s: float = 0.0) -> Performance:
    """Create the performance of a named choreography or a BVH file by a body."""
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
    """Compute the track of `render_clip` without rendering: hundreds of times faster.

    room: one of `ROOMS`, or one with another camera.

    Raises:
        UserError: an unreadable BVH file, or the studio packages are missing.
    """
    return _exact_track(_pose_bodies(identity, dance, float(fps), seconds, start_s), room, fps, width_px, height_px)


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
    """Compute the face track that belongs to `exact_track` without rendering, also for faces turned away.

    Raises:
        UserError: an unreadable BVH file, or the studio packages are missing.
    """
    posed = _pose_bodies(identity, dance, float(fps), seconds, start_s)
    body, performance, rotations, positions = posed
    points = project_face(body, rotations, positions, performance.face, room, width_px, height_px)
    boxes = face_boxes(_exact_track(posed, room, fps, width_px, height_px))
    return with_landmarks(boxes, points, np.ones(len(points), np.float32), DETECTOR)


_Posed = tuple[Body, Performance, NDArray[np.float64], NDArray[np.float32]]


def _pose_bodies(identity: str, dance: str | Path, fps: float, seconds: float, start_s: float) -> _Posed:
    """Return body, performance, and bone rotations [T,J,3,3] and bone heads [T,J,3] in the world."""
    body = build_body(IDENTITIES[identity])
    performance = create_performance(body, dance, fps, seconds, start_s)
    rotations = performance.rotations.astype(np.float64)
    return body, performance, rotations, body.posed_joints(rotations, performance.root)


def _exact_track(posed: _Posed, room: Room, fps: Fraction, width_px: int, height_px: int) -> PoseTrack:
    body, _, rotations, positions = posed
    return _track(project_pose(body, rotations, positions, room, width_px, height_px), fps, width_px, height_px, "")


def _track(pose: Pose, fps: Fraction, width_px: int, height_px: int, sha256: str) -> PoseTrack:
    time_s = np.array([float(Fraction(t) / fps) for t in range(len(pose))])
    status = np.full(len(pose), FrameStatus.MEASURED, np.uint8)
    return PoseTrack(pose, time_s, status, width_px, height_px, DETECTOR, sha256)


def _require_valid(
    clip: Clip, identity: str, dance: str | Path, room: str, fps: Fraction, size: tuple[int, int], seconds: float | None
) -> None:
    choices = [("identity", identity, list(IDENTITIES)), ("room", room, list(ROOMS))]
    if isinstance(dance, str):
        choices.append(("dance", dance, list(DANCES)))
    for what, name, known in choices:
        if name not in known:
            raise OptionError(f"unknown {what} {name!r}; choose one of {', '.join(known)}.")
    if clip.video.suffix.lower() != ".mp4":
        raise OutputError(f"cannot write {clip.video}: choose a name that ends in .mp4.")
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
