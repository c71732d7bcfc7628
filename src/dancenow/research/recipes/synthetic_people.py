"""Footage of random people, cropped for training: the data of the pretrained crop generator.

Poses, masks and rooms are exact. Short runs of frames spread over a long dance show more poses than complete clips of the same
size.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.generators.crop.dataset import BORDER, CropDataset, enlarge_crop, shrink_plate
from dancenow.pose.person_crop import crop_image, track_crop
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.recipes.clip_archives import SUFFIX, save_pack
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.render import RenderedFrame, empty_room, render
from dancenow.research.studio.scene import Room
from dancenow.research.studio.tracks import project_track, world_keypoints
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import Crop, Plate, Pose, PoseTrack

RECIPE: Final = 1
"""Increase it when the same settings give different images."""
_ARRAYS: Final = ("image", "mask", "to_stored", "plate", "plate_to_frame", "starts")


@dataclass(frozen=True)
class SyntheticPeopleConfig:
    """people: how many, each in their own room. runs: of `length` consecutive frames each. beats: length of the dance.
    picture_px: side of the rendered frame. canvas_px: of the generator. seed: of everything."""

    people: int = 120
    runs: int = 20
    length: int = 6
    beats: int = 64
    fps: float = 30.0
    picture_px: int = 384
    canvas_px: int = 256
    seed: int = 5


@dataclass(frozen=True, eq=False)
class StagedPerson:
    """A random person before rendering: body, dance, room and the exact track of the dance; frames: int [N], numbers of the
    frames of the dance that are rendered."""

    body: Body
    performance: Performance
    room: Room
    track: PoseTrack
    frames: NDArray[np.int64]


def stage_person(config: SyntheticPeopleConfig, number: int) -> StagedPerson:
    """Sample a person, a dance and a room, and solve the dance for the body."""
    rng = np.random.default_rng((config.seed, number))
    body = build_body(random_identity(f"cast {number}", rng))
    dance = random_dance(f"cast {number}", config.beats, rng)
    room = random_room(rng)
    performance = solve(perform(dance, config.fps, dance.seconds), body)
    track = project_track(world_keypoints(body, performance), room.camera, config.picture_px, config.picture_px, config.fps)
    starts = _spread(len(performance), config, rng)
    frames = (starts[:, None] + np.arange(config.length)).reshape(-1)
    return StagedPerson(body, performance, room, track, frames)


def render_person(config: SyntheticPeopleConfig, number: int) -> CropDataset:
    """Render one random person, in about half a minute.

    Raises:
        UserError: the studio's packages are missing.
    """
    staged = stage_person(config, number)
    return crop_person(staged, render_staged(staged, config), config)


def render_staged(staged: StagedPerson, config: SyntheticPeopleConfig) -> Iterator[RenderedFrame]:
    """Render the chosen frames of a person."""
    chosen = replace(
        staged.performance,
        **{name: getattr(staged.performance, name)[staged.frames] for name in ("time_s", "rotations", "root", "face")},
    )
    return render(staged.body, chosen, staged.room, config.picture_px, config.picture_px, config.seed)


def crop_person(staged: StagedPerson, rendered: Iterable[RenderedFrame], config: SyntheticPeopleConfig) -> CropDataset:
    """The dataset of a person's rendered frames."""
    stored_px, track = round(config.canvas_px * BORDER), staged.track
    crops = [enlarge_crop(crop, stored_px) for crop in track_crop(track.pose, track.time_s, config.canvas_px)]
    kept = [crops[i] for i in staged.frames]
    rgba, pose = cut_out(rendered, kept)
    known = np.ones((config.picture_px, config.picture_px), np.bool_)
    plate = Plate(empty_room(staged.room, config.picture_px, config.picture_px), known)
    small, plate_to_frame = shrink_plate(plate, float(np.median([crop.to_canvas[0, 0] for crop in kept])))
    return CropDataset(
        np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]), pose,
        np.stack([crop.to_canvas for crop in kept]), small, plate_to_frame,
        np.arange(0, len(kept), config.length), config.length, config.canvas_px,
    )  # fmt: skip


def cut_out(rendered: Iterable[RenderedFrame], crops: Sequence[Crop]) -> tuple[NDArray[np.uint8], Pose]:
    """Crop rendered frames: RGBA uint8 [N,R,R,4], and the poses [N,K] in px of the crops."""
    pictures, poses = [], []
    for frame, crop in zip(rendered, crops, strict=True):
        pictures.append(crop_image(np.concatenate([frame.image_rgb, frame.mask[..., None]], axis=2), crop))
        poses.append(crop.apply(frame.pose))
    arrays = (np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth"))
    return np.stack(pictures), Pose(*arrays)


def _spread(count: int, config: SyntheticPeopleConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """First frames of non-overlapping runs, spread over the dance."""
    step = count // config.runs
    if step < config.length:
        raise ValueError(f"{config.runs} runs of {config.length} frames do not fit into {count} frames")
    return np.arange(config.runs) * step + rng.integers(0, step - config.length + 1, config.runs)


def render_people(
    config: SyntheticPeopleConfig, folder: Path, on_progress: ProgressCallback = ignore_progress
) -> list[CropDataset]:
    """Render the datasets of all people, cached in `folder` one by one, so that an interrupted rendering can resume."""
    stores = []
    for number in range(config.people):
        path = folder / f"{_digest(config, number)}.npz"
        if not path.is_file():
            _save(path, render_person(config, number))
        stores.append(_load(path))
        on_progress(Progress("rendering people", number + 1, config.people))
    return stores


def render_archives(config: SyntheticPeopleConfig, folder: Path, on_progress: ProgressCallback = ignore_progress) -> list[Path]:
    """Return the archives (see `research.recipes.clip_archives`) of all people in `folder`; render missing ones."""
    paths = [folder / f"{_digest(config, number)}{SUFFIX}" for number in range(config.people)]
    for number, path in enumerate(paths):
        if not path.is_file():
            save_pack(path, render_person(config, number))
        on_progress(Progress("rendering people", number + 1, config.people))
    return paths


def _digest(config: SyntheticPeopleConfig, number: int) -> str:
    one = {**asdict(config), "people": None, "number": number, "recipe": RECIPE}
    return hashlib.sha256(json.dumps(one, sort_keys=True).encode()).hexdigest()[:20]


def _save(path: Path, store: CropDataset) -> None:
    arrays = {name: getattr(store, name) for name in _ARRAYS}
    pose = {f"pose_{name}": getattr(store.pose, name) for name in ("xy", "confidence", "depth")}
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays, **pose, sizes=np.array([store.length, store.canvas_px]))


def _load(path: Path) -> CropDataset:
    with np.load(path, allow_pickle=False) as file:
        pose = Pose(file["pose_xy"], file["pose_confidence"], file["pose_depth"])
        length, canvas_px = (int(n) for n in file["sizes"])
        arrays = {name: file[name] for name in _ARRAYS}
    return CropDataset(**arrays, pose=pose, length=length, canvas_px=canvas_px)
