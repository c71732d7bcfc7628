"""Where forgeries come from: footage of a person to learn from, and the same person's own dance in the same place beside it.

Two kinds: random people of the studio's cast, rendered here with exact poses, and prepared subjects of a bench's world.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.bench.retrieval import nearest
from dancenow.data.clips import BORDER, ClipStore, cut, enlarge, shrink_plate
from dancenow.data.subject import Subject
from dancenow.data.target import Target
from dancenow.data.wholeclips import WholeClipStore
from dancenow.pose.crop import follow
from dancenow.pose.letterbox import Letterbox
from dancenow.studio.body import Body, build_body
from dancenow.studio.cast import random_dance, random_identity, random_room
from dancenow.studio.motion import Performance, perform, solve
from dancenow.studio.render import empty_room, render
from dancenow.studio.scene import Room
from dancenow.studio.tracks import exact_track, points_of
from dancenow.types import FrameStatus, ImageRGB, Plate, Pose, PoseTrack
from dancenow.video import probe, read_frames, read_frames_at

FPS: Final = 24
RUN: Final = 3
"""Consecutive frames of the footage of a random person."""
_MOMENTS: Final = 6
"""Moments in a frame's time at which dances are known: an open shutter shows several."""


@dataclass(frozen=True, eq=False)
class Dance:
    """A real clip of the person: its frames, and the poses that generators are given."""

    name: str
    frames: Sequence[ImageRGB]
    track: PoseTrack
    fps: Fraction = Fraction(FPS)


class Scene(Protocol):
    """A person in a place: what generators learn from, and the dances that they make again."""

    @property
    def name(self) -> str:
        """Who it is."""

    @property
    def target(self) -> Target:
        """What a model keeps of the person."""

    @property
    def dances(self) -> Sequence[Dance]:
        """Real clips."""

    def clip_store(self, canvas_px: int, length: int) -> ClipStore:
        """The footage for a generator of the person."""

    def whole_store(self, box: Letterbox, length: int) -> WholeClipStore:
        """The footage for a generator of whole frames."""

    def nearest_frames(self, track: PoseTrack) -> list[ImageRGB]:
        """The footage's frame with the nearest pose for every pose of a dance."""


@dataclass(frozen=True)
class SceneConfig:
    """runs: of three frames of footage. dance_frames: of the real clip. size_px: of the picture. beats: of the long dance that
    the footage is of. shaky: keypoints are wrong as a detector's are, by this share of the body's height. shutter: moments
    that a frame is the mean of, 3 for a camera whose shutter is open half the time, which blurs what moves."""

    runs: int = 30
    dance_frames: int = 36
    size_px: int = 384
    beats: int = 64
    shaky: float = 0.004
    shutter: int = 1
    seed: int = 23


class CastScene:
    """A random person (see `studio.cast`); the same one from the same number."""

    def __init__(self, number: int, config: SceneConfig) -> None:
        """Render: half a minute or so.

        Raises:
            UserError: the studio's packages are missing.
        """
        self.name, self.config = f"cast {number}", config
        rng = np.random.default_rng((config.seed, number))
        body, room = build_body(random_identity(self.name, rng)), random_room(rng)
        whole = _performance(body, config.beats, rng)
        starts = np.arange(config.runs) * (len(whole) // _MOMENTS // config.runs)
        self._index = (starts[:, None] + np.arange(RUN)).reshape(-1)
        filmed = exact_track(points_of(body, _part(whole, _whole_frames(whole))), room.camera, *(config.size_px,) * 2, FPS)
        self._track = shaken(filmed, config.shaky, rng)
        self._frames, self._masks = _rendered(body, whole, self._index, room, config)
        plate = Plate(empty_room(room, config.size_px, config.size_px), np.ones((config.size_px,) * 2, np.bool_))
        self.target = Target(self.name, plate, self._track)
        other = _performance(body, config.dance_frames // 8, rng)
        danced = np.arange(len(other) // _MOMENTS // 4, len(other) // _MOMENTS)[: config.dance_frames]
        frames, _ = _rendered(body, other, danced, room, config)
        track = exact_track(points_of(body, _part(other, danced * _MOMENTS)), room.camera, *(config.size_px,) * 2, FPS)
        self.dances = (Dance("a dance of its own", frames, shaken(track, config.shaky, rng)),)

    def clip_store(self, canvas_px: int, length: int) -> ClipStore:
        """See `Scene.clip_store`."""
        stored_px = round(canvas_px * BORDER)
        crops = [enlarge(c, stored_px) for c in follow(self._track.pose, self._track.time_s, canvas_px)]
        kept = [crops[i] for i in self._index]
        poses = [crop.apply(self._track.pose[i]) for crop, i in zip(kept, self._index, strict=True)]
        plate, plate_to_frame = shrink_plate(self.target.plate, float(np.median([c.to_canvas[0, 0] for c in kept])))
        return ClipStore(
            image=np.stack([cut(frame, crop) for frame, crop in zip(self._frames, kept, strict=True)]),
            mask=np.stack([cut(mask, crop) for mask, crop in zip(self._masks, kept, strict=True)]),
            pose=Pose(*(np.stack([getattr(p, name) for p in poses]) for name in ("xy", "confidence", "depth"))),
            to_stored=np.stack([c.to_canvas for c in kept]),
            plate=plate, plate_to_frame=plate_to_frame,
            starts=np.arange(0, len(kept), RUN), length=min(length, RUN), canvas_px=canvas_px,
        )  # fmt: skip

    def whole_store(self, box: Letterbox, length: int) -> WholeClipStore:
        """See `Scene.whole_store`."""
        pose = box.apply(self._track.pose[self._index])
        starts = np.arange(0, len(self._index), RUN)
        return WholeClipStore(np.stack([box.place(frame) for frame in self._frames]), pose, starts, min(length, RUN), box)

    def nearest_frames(self, track: PoseTrack) -> list[ImageRGB]:
        """See `Scene.nearest_frames`."""
        return [self._frames[i] for i in nearest(track.pose, self._track.pose[self._index])]


def _performance(body: Body, beats: int, rng: np.random.Generator) -> Performance:
    dance = random_dance("dance", max(beats, 8), rng)
    return solve(perform(dance, FPS * _MOMENTS, dance.seconds), body)


def _whole_frames(performance: Performance) -> NDArray[np.int64]:
    return np.arange(0, len(performance) // _MOMENTS * _MOMENTS, _MOMENTS)


def _part(performance: Performance, index: NDArray[np.int64]) -> Performance:
    names = ("time_s", "rotations", "root", "face")
    return replace(performance, **{name: getattr(performance, name)[index] for name in names})


def _rendered(
    body: Body, performance: Performance, frames: NDArray[np.int64], room: Room, config: SceneConfig
) -> tuple[list[ImageRGB], list[NDArray[np.uint8]]]:
    """Some frames of a performance, without grain, which is added when they are encoded; and masks."""
    moments = (frames[:, None] * _MOMENTS + np.arange(config.shutter)).reshape(-1).clip(max=len(performance) - 1)
    drawn = render(body, _part(performance, moments), room, config.size_px, config.size_px, noise=0.0)
    images, masks = [], []
    while shot := list(islice(drawn, config.shutter)):
        images.append(_mean([each.image_rgb for each in shot]))
        masks.append(_mean([each.mask for each in shot]))
    return images, masks


def _mean(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.mean(pictures, axis=0)), np.uint8)


def shaken(track: PoseTrack, share: float, rng: np.random.Generator) -> PoseTrack:
    """The track as if detected: each keypoint has an error that stays, and a smaller one that changes from frame to frame."""
    height_px = float(np.median(np.ptp(track.pose.xy[..., 1], axis=1)))
    steady = rng.normal(0, share * height_px, (1, *track.pose.xy.shape[1:]))
    jitter = rng.normal(0, 0.3 * share * height_px, track.pose.xy.shape)
    xy = (track.pose.xy + steady + jitter).astype(np.float32)
    return replace(track, pose=Pose(xy, track.pose.confidence, track.pose.depth))


class SubjectScene:
    """A prepared subject, with clips of its person dancing: `dances` gives (name, video of the person itself, its track)."""

    def __init__(self, subject: Subject, dances: Sequence[tuple[str, Path, PoseTrack]]) -> None:
        self.name, self._subject = subject.manifest.name, subject
        self.target = Target.of_subject(subject)
        self.dances = tuple(
            Dance(name, [frame.image_rgb for frame in read_frames(video)], track, probe(video).fps)
            for name, video, track in dances
        )

    def clip_store(self, canvas_px: int, length: int) -> ClipStore:
        """See `Scene.clip_store`."""
        return ClipStore.build(self._subject, canvas_px, length)

    def whole_store(self, box: Letterbox, length: int) -> WholeClipStore:
        """See `Scene.whole_store`."""
        return WholeClipStore.build(self._subject, box, length, 400)

    def nearest_frames(self, track: PoseTrack) -> list[ImageRGB]:
        """See `Scene.nearest_frames`."""
        own = self._subject.track
        learnt = np.flatnonzero((own.status == FrameStatus.MEASURED) & self._subject.manifest.in_split("train", own.time_s))
        chosen = learnt[nearest(track.pose, own.pose[learnt])]
        return list(_frames_at(self._subject.video, chosen))


def _frames_at(video: Path, chosen: NDArray[np.int64]) -> Iterator[ImageRGB]:
    """Frames in another order than the one in which they are decoded."""
    packed = {f.index: cv2.imencode(".png", f.image_rgb)[1] for f in read_frames_at(video, sorted(set(chosen.tolist())))}
    for index in chosen:
        yield np.asarray(cv2.imdecode(packed[int(index)], cv2.IMREAD_COLOR), np.uint8)
