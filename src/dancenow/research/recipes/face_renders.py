"""Close-ups of random people's faces with landmarks: training data of the pretrained face network.

Landmarks come from the face detector, not from the renderer, as in a transfer.

The camera stays in place and narrows its field of view to the crop of `face.face_tracking`, so that faces look as in footage
and nothing is upsampled. Everybody sings. Each image has a second one of the same head with an unrelated expression: this is
what a body generator renders, which is not conditioned on expressions.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.face.face_track import YAW
from dancenow.face.face_tracker import POSE_ROI
from dancenow.face.face_tracking import MARGIN, face_boxes
from dancenow.face.landmark_maps import draw_maps
from dancenow.face.landmarks import FaceNetworks
from dancenow.face.mesh_validation import detect_mesh_twice
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.choreography import VOWELS
from dancenow.research.studio.motion import Performance, perform, solve
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.render import RenderedFrame, project_pose, render
from dancenow.research.studio.scene import Camera, Room
from dancenow.skeleton import HEAD_KEYPOINTS, INDEX
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import PoseTrack

RECIPE: Final = 3
"""Increase it when the same settings give different images."""
_FACE: Final = [INDEX[name] for name in ("nose", "right_eye", "left_eye")]
SONG: Final = 16
"""Half beats of what each sings, again and again."""
WIDE_PX: Final = 1024
"""Side of the virtual image in which the head is located; nothing of that size is rendered."""


@dataclass(frozen=True)
class CloseupConfig:
    """people: how many, each in their own room. images: per person. side_px: of an image. seed: of everything."""

    people: int = 32
    images: int = 48
    side_px: int = 72
    beats: int = 64
    fps: float = 8.0
    seed: int = 11


@dataclass(frozen=True, eq=False)
class Closeups:
    """One person. image: uint8 [N,R,R,3]; usual: the same with a part of the person's average expression; maps: uint8
    [N,M,R,R], 255 = 1, see `face.landmark_maps`."""

    image: NDArray[np.uint8]
    usual: NDArray[np.uint8]
    maps: NDArray[np.uint8]


def closeups_of(config: CloseupConfig, number: int, networks: FaceNetworks) -> Closeups:
    """Render one random person's face; networks: the landmark detector.

    Raises:
        UserError: the studio's packages are missing.
    """
    rng = np.random.default_rng((config.seed, number))
    body = build_body(random_identity(f"face {number}", rng))
    dance, room = random_dance(f"face {number}", config.beats, rng), random_room(rng)
    song = "".join(rng.choice(list(VOWELS), SONG))
    performance = solve(perform(replace(dance, song=song), config.fps, dance.seconds), body)
    usual = replace(performance, face=rng.uniform(0, 1, (len(performance), 1)) * performance.face.mean(axis=0))
    positions = body.posed_joints(performance.rotations.astype(np.float64), performance.root)
    pose = project_pose(body, performance.rotations.astype(np.float64), positions, room, WIDE_PX, WIDE_PX)
    status = np.zeros(len(pose), np.uint8)
    faces = face_boxes(PoseTrack(pose, performance.time_s, status, WIDE_PX, WIDE_PX, "exact", ""), size_px=config.side_px)
    valid = np.flatnonzero(faces.valid)
    chosen = valid[np.linspace(0, len(valid) - 1, config.images).round().astype(int)]
    images, usuals, maps = [], [], []
    for t in chosen:
        crop = faces.crop(int(t))
        middle = crop.to_frame @ [(crop.size - 1) / 2, (crop.size - 1) / 2, 1]
        near = replace(room, camera=_narrowed(room.camera, middle, float(crop.to_canvas[0, 0]) * WIDE_PX / crop.size))
        image = _picture(body, performance, int(t), near, config)
        images.append(image.image_rgb)
        usuals.append(_picture(body, usual, int(t), near, config).image_rgb)
        maps.append(_maps(networks, image, float(faces.expression[t, YAW])))
    return Closeups(np.stack(images), np.stack(usuals), np.stack(maps))


def _narrowed(camera: Camera, middle_px: NDArray[np.float64], times: float) -> Camera:
    """The camera turned to a point of the wide image, with a field of view `times` as narrow."""
    corner, across, down = camera.ray_basis(WIDE_PX, WIDE_PX)
    ray = corner + middle_px[0] * across + middle_px[1] * down
    target = np.array(camera.position) + ray
    return Camera(camera.position, (float(target[0]), float(target[1]), float(target[2])), camera.focal * times)


def _picture(body: Body, performance: Performance, t: int, room: Room, config: CloseupConfig) -> RenderedFrame:
    one = replace(performance, **{name: value[t : t + 1] for name, value in vars(performance).items()})
    (image,) = render(body, one, room, config.side_px, config.side_px, seed=t)
    return image


def _maps(networks: FaceNetworks, image: RenderedFrame, yaw: float) -> NDArray[np.uint8]:
    """The landmark maps of a close-up of a head turned by `yaw` rad."""
    side, pose = len(image.image_rgb), image.pose
    x, y = (float(v) for v in pose.xy[_FACE].mean(axis=0))
    roi = RotatedRect(x, y, POSE_ROI * side / MARGIN, 0.0)
    mesh, sure = detect_mesh_twice(networks, image.image_rgb, roi, pose, side / MARGIN, yaw)
    drawn = draw_maps(mesh.landmarks[:, :2], sure, pose.xy[HEAD_KEYPOINTS], pose.confidence[HEAD_KEYPOINTS], side)
    return np.asarray(np.rint(drawn * 255), np.uint8)


def closeups(config: CloseupConfig, folder: Path, on_progress: ProgressCallback = ignore_progress) -> list[Closeups]:
    """All people's close-ups, cached in `folder` one by one, so that an interrupted rendering can resume."""
    people, networks = [], None
    for number in range(config.people):
        path = folder / f"{_digest(config, number)}.npz"
        if not path.is_file():
            networks = networks or FaceNetworks(on_progress)
            closeups = closeups_of(config, number, networks)
            with complete_or_absent(path) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, **vars(closeups))
        with np.load(path, allow_pickle=False) as file:
            people.append(Closeups(file["image"], file["usual"], file["maps"]))
        on_progress(Progress("rendering faces", number + 1, config.people))
    return people


def _digest(config: CloseupConfig, number: int) -> str:
    one = {**asdict(config), "people": None, "number": number, "recipe": RECIPE}
    return hashlib.sha256(json.dumps(one, sort_keys=True).encode()).hexdigest()[:20]
