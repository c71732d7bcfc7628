"""Rendered scenes as the source of real and fake clips: a person's footage for training, and dances of the same person.

Scenes are rendered once with exact poses and stored as near-lossless video, so that fakes can be generated on machines without
the renderer. The studio's people are for the test; random people, dances, lights and cameras are for training and are rendered
in the same way, so that only person and place differ between training and test.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.generators.crop.dataset import BORDER, CropDataset, enlarge_crop, shrink_plate
from dancenow.generators.edn.dataset import FrameDataset
from dancenow.generators.references.reference_selection import (
    ReferenceOptions,
    choose_frames,
    enlarge_crops,
    picture_sharpness,
    trim_pictures,
)
from dancenow.generators.references.reference_set import ReferenceSet
from dancenow.media.source import read_frames
from dancenow.pose.letterbox import Letterbox
from dancenow.pose.person_crop import crop_image, track_crop
from dancenow.research.bench.nearest_frame import nearest
from dancenow.research.forensics.camera_model import CameraModel
from dancenow.research.forensics.compression import Encoding, write_encoded
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.clip import create_performance
from dancenow.research.studio.identity import IDENTITIES
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.render import empty_room, render
from dancenow.research.studio.scene import ROOMS, Room
from dancenow.research.studio.tracks import project_track, world_keypoints
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.subject.target_appearance import Target
from dancenow.types import ImageRGB, Plate, Pose, PoseTrack

FPS: Final = 24
RUN: Final = 3
"""Consecutive frames per run of the footage."""
RENDER_CRF: Final = 12
"""x264 CRF of the rendered videos."""
STORAGE_ENCODING: Final = Encoding(16)
"""Encoding of stored fakes; real clips pass through it before the test."""
RECIPE: Final = 1
"""Raise it when the same settings give other images."""
_SIZES_PX, _SHAKY = (384, 320, 448), (0.0, 0.003, 0.006)
_FOOTAGE_BEATS, _DANCE_BEATS = 64, 8


@dataclass(frozen=True)
class SceneConfig:
    """Person, room, dance of the footage, and test dances, each with its start in s. number: of a random person with random
    dances in a random room; `identity` is then only a name, and `room` and `footage` are not used. runs: runs of footage.
    dance_frames: per dance. size_px: side of the frame. jitter_fraction: keypoint error, as of a detector, relative to the
    body's height."""

    identity: str
    room: str
    footage: str
    dances: tuple[tuple[str, float], ...]
    runs: int = 30
    dance_frames: int = 36
    size_px: int = 384
    jitter_fraction: float = 0.004
    seed: int = 23
    number: int | None = None

    @classmethod
    def random(cls, number: int) -> Self:
        """The scene of a random person; frame size and keypoint error vary with the number."""
        size_px, jitter_fraction = _SIZES_PX[number % len(_SIZES_PX)], _SHAKY[number // len(_SIZES_PX) % len(_SHAKY)]
        dances = (("first", 0.0), ("second", 0.0))
        return cls(f"cast {number}", "", "", dances, runs=20, size_px=size_px, jitter_fraction=jitter_fraction, number=number)


TEST_SCENES: Final = (
    SceneConfig("dov", "loft", "spark", (("pulse", 3.0), ("drift", 4.0))),
    SceneConfig("eve", "bright", "drift", (("pulse", 3.0), ("spark", 2.0))),
    SceneConfig("chi", "loft", "spark", (("pulse", 8.0), ("drift", 9.0))),
    SceneConfig("ada", "bright", "spark", (("pulse", 5.0), ("drift", 12.0))),
    SceneConfig("ben", "loft", "drift", (("pulse", 10.0), ("spark", 12.0))),
    SceneConfig("fin", "bright", "pulse", (("spark", 20.0), ("drift", 6.0))),
)
"""The studio's six people and two rooms, which are in no training."""


@dataclass(frozen=True, eq=False)
class Dance:
    """A real clip of the person: its near-lossless video, the poses for the generators, and what a camera made of it."""

    name: str
    video: Path
    track: PoseTrack
    fps: Fraction = Fraction(FPS)
    filmed: Sequence[ImageRGB] = ()

    def frames(self) -> list[ImageRGB]:
        """As a camera filmed it, or else as it was rendered."""
        return list(self.filmed) or [frame.image_rgb for frame in read_frames(self.video)]


@dataclass(frozen=True, eq=False)
class Scene:
    """A person in a room. frames: the footage [N], in runs of `RUN`; masks [N,H,W]; whole: poses of the complete footage dance
    [T]; index [N]: the frames' indices in it."""

    name: str
    frames: Sequence[ImageRGB]
    masks: NDArray[np.uint8]
    whole: PoseTrack
    index: NDArray[np.int64]
    plate: Plate
    dances: tuple[Dance, ...]

    @property
    def target(self) -> Target:
        """The person's data that is stored in a model."""
        return Target(self.name, self.plate, self.whole)

    @property
    def footage_s(self) -> NDArray[np.float64]:
        """Time of each frame of the footage [N]."""
        return self.whole.time_s[self.index]

    def crop_dataset(self, canvas_px: int, length: int) -> CropDataset:
        """The footage for a crop generator."""
        stored_px = round(canvas_px * BORDER)
        crops = [enlarge_crop(c, stored_px) for c in track_crop(self.whole.pose, self.whole.time_s, canvas_px)]
        kept = [crops[i] for i in self.index]
        poses = [crop.apply(self.whole.pose[int(i)]) for crop, i in zip(kept, self.index, strict=True)]
        plate, plate_to_frame = shrink_plate(self.plate, float(np.median([c.to_canvas[0, 0] for c in kept])))
        return CropDataset(
            image=np.stack([crop_image(frame, crop) for frame, crop in zip(self.frames, kept, strict=True)]),
            mask=np.stack([crop_image(mask, crop) for mask, crop in zip(self.masks, kept, strict=True)]),
            pose=Pose(*(np.stack([getattr(p, name) for p in poses]) for name in ("xy", "confidence", "depth"))),
            to_stored=np.stack([c.to_canvas for c in kept]),
            plate=plate, plate_to_frame=plate_to_frame,
            starts=np.arange(0, len(kept), RUN), length=min(length, RUN), canvas_px=canvas_px,
        )  # fmt: skip

    def frame_dataset(self, box: Letterbox, length: int) -> FrameDataset:
        """The footage for a whole-frame generator."""
        starts = np.arange(0, len(self.index), RUN)
        image = np.stack([box.place(frame) for frame in self.frames])
        return FrameDataset(image, box.apply(self.whole.pose[self.index]), starts, min(length, RUN), box)

    def reference_set(self, crops: CropDataset, options: ReferenceOptions) -> ReferenceSet:
        """Pictures of the person to copy from. crops: of `crop_dataset`."""
        chosen = choose_frames(crops.pose, self.footage_s, picture_sharpness(crops), options)
        tracked = track_crop(self.whole.pose, self.whole.time_s, crops.canvas_px)
        squares, scale = enlarge_crops([tracked[int(self.index[i])] for i in chosen], options)
        cut_out = [
            crop_image(np.dstack([self.frames[i], self.masks[i]]), square) for i, square in zip(chosen, squares, strict=True)
        ]
        poses = [square.apply(self.whole.pose[int(self.index[i])]) for i, square in zip(chosen, squares, strict=True)]
        return trim_pictures(np.stack(cut_out), poses, self.whole, self.index[chosen], scale)

    def filmed_by(self, camera: CameraModel, rng: np.random.Generator) -> Self:
        """The same scene as a camera shows it: footage, dances and the empty room."""
        runs = [camera.film(self.frames[start : start + RUN], rng) for start in range(0, len(self.frames), RUN)]
        plate = replace(self.plate, image_rgb=camera.without_noise(self.plate.image_rgb))
        dances = tuple(replace(dance, filmed=camera.film(dance.frames(), rng)) for dance in self.dances)
        return replace(self, frames=[frame for run in runs for frame in run], plate=plate, dances=dances)

    def nearest_frames(self, track: PoseTrack) -> list[ImageRGB]:
        """For each pose of a dance, the footage frame with the nearest pose."""
        return [self.frames[i] for i in nearest(track.pose, self.whole.pose[self.index])]


def scene_folder(config: SceneConfig) -> Path:
    """Cache folder of a scene."""
    return cache_dir("forensics/scenes") / f"{config.identity}-{config.size_px}px-{RECIPE}"


def film_scene(config: SceneConfig) -> Path:
    """Render a scene into its folder if it does not exist; takes about half a minute.

    Raises:
        UserError: the studio's packages are missing.
    """
    folder = scene_folder(config)
    if not folder.is_dir():
        with complete_or_absent(folder) as temporary:
            temporary.mkdir()
            _footage_and_dance(config, temporary)
    return folder


@dataclass(frozen=True, eq=False)
class _SceneContent:
    """Body, room, and performances of a scene."""

    body: Body
    room: Room
    footage: Performance
    dances: Mapping[str, Performance]


def _scene_content(config: SceneConfig) -> _SceneContent:
    seconds = (config.dance_frames + 0.5) / FPS
    if config.number is None:
        body = build_body(IDENTITIES[config.identity])
        dances = {name: create_performance(body, name, FPS, seconds, since_s) for name, since_s in config.dances}
        return _SceneContent(body, ROOMS[config.room], create_performance(body, config.footage, FPS, None), dances)
    rng = np.random.default_rng((config.seed, config.number))
    body, room = build_body(random_identity(config.identity, rng)), random_room(rng)
    whole = random_dance("footage", _FOOTAGE_BEATS, rng)
    footage = solve(perform(whole, FPS, whole.seconds), body)
    parts = {name: (random_dance(name, _DANCE_BEATS, rng), since_s) for name, since_s in config.dances}
    source_track = {name: solve(perform(dance, FPS, seconds, since_s), body) for name, (dance, since_s) in parts.items()}
    return _SceneContent(body, room, footage, source_track)


def _footage_and_dance(config: SceneConfig, folder: Path) -> None:
    content, side = _scene_content(config), config.size_px
    body, room, source_track = content.body, content.room, content.footage
    rng = np.random.default_rng(config.seed if config.number is None else (config.seed, config.number, 1))
    starts = np.arange(config.runs) * (len(source_track) // config.runs)
    index = (starts[:, None] + np.arange(RUN)).reshape(-1)
    frames, masks = _render_frames(body, source_track, index, room, config)
    _keep(folder / "footage.mp4", frames)
    tracks = {
        "footage": jitter_track(
            project_track(world_keypoints(body, source_track), room.camera, side, side, FPS), config.jitter_fraction, rng
        )
    }
    for name, shown in content.dances.items():
        _keep(folder / f"{name}.mp4", _render_frames(body, shown, np.arange(config.dance_frames), room, config)[0])
        track = project_track(world_keypoints(body, shown), room.camera, side, side, FPS)
        tracks[name] = jitter_track(track, config.jitter_fraction, rng)
    arrays: dict[str, Any] = {"masks": masks, "index": index, "plate": empty_room(room, side, side)}
    for name, track in tracks.items():
        parts = {part: getattr(track.pose, part) for part in ("xy", "confidence", "depth")}
        parts |= {"time_s": track.time_s, "status": track.status}
        arrays |= {f"{name}.{part}": value for part, value in parts.items()}
    np.savez_compressed(folder / "scene.npz", **arrays)
    (folder / "scene.json").write_text(json.dumps(asdict(config), indent=1), "utf-8")


def load_scene(config: SceneConfig) -> Scene:
    """Load a rendered scene.

    Raises:
        UserError: it has not been rendered.
    """
    folder, side = scene_folder(config), config.size_px
    if not folder.is_dir():
        raise InputError(
            f"{config.identity} has not been rendered; run `python -m dancenow.research.recipes.train_forensic film` first."
        )
    with np.load(folder / "scene.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}

    def track(name: str) -> PoseTrack:
        pose = Pose(*(arrays[f"{name}.{part}"] for part in ("xy", "confidence", "depth")))
        return PoseTrack(pose, arrays[f"{name}.time_s"], arrays[f"{name}.status"], side, side, "scene", "0" * 64)

    plate = Plate(arrays["plate"], np.ones((side, side), np.bool_))
    frames = [frame.image_rgb for frame in read_frames(folder / "footage.mp4")]
    dances = tuple(Dance(name, folder / f"{name}.mp4", track(name)) for name, _ in config.dances)
    return Scene(config.identity, frames, arrays["masks"], track("footage"), arrays["index"], plate, dances)


def _keep(path: Path, frames: Sequence[ImageRGB]) -> None:
    write_encoded(frames, Fraction(FPS), Encoding(RENDER_CRF), path)


def _render_frames(
    body: Body, performance: Performance, frames: NDArray[np.int64], room: Room, config: SceneConfig
) -> tuple[list[ImageRGB], NDArray[np.uint8]]:
    """Render some frames of a performance, without grain, which encoding adds; also the masks."""
    names = ("time_s", "rotations", "root", "face")
    part = replace(performance, **{name: getattr(performance, name)[frames] for name in names})
    drawn: Iterator[Any] = render(body, part, room, config.size_px, config.size_px, noise=0.0)
    both = [(each.image_rgb, each.mask) for each in drawn]
    return [image for image, _ in both], np.stack([mask for _, mask in both])


def jitter_track(track: PoseTrack, fraction: float, rng: np.random.Generator) -> PoseTrack:
    """Add detector-like errors: per keypoint, a constant offset and a smaller one that changes from frame to frame."""
    return replace(track, pose=jitter_keypoints(track.pose, fraction, rng))


def jitter_keypoints(pose: Pose, fraction: float, rng: np.random.Generator) -> Pose:
    """Like `jitter_track`, for poses [T,K]. fraction: of the body's height."""
    height_px = float(np.median(np.ptp(pose.xy[..., 1], axis=1)))
    steady = rng.normal(0, fraction * height_px, (1, *pose.xy.shape[1:]))
    jitter = rng.normal(0, 0.3 * fraction * height_px, pose.xy.shape)
    return Pose((pose.xy + steady + jitter).astype(np.float32), pose.confidence, pose.depth)
