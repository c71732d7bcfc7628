"""Rooms and cameras: the background, rendered once per clip in numpy, and the light.

World: x to the left of the dancer facing the camera, y away from the camera, z up, meters; the dancer starts at the origin.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio.rotations import unit

Array = NDArray[np.float64]
RGB = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """A static pinhole camera: position and target in m, `focal` in image heights."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float

    def axes(self) -> tuple[Array, Array, Array]:
        """Return the unit vectors to the right, down and forward."""
        forward = unit(np.subtract(self.target, self.position))
        right = unit(np.cross(forward, [0, 0, 1.0]))
        return right, np.cross(forward, right), forward

    def ray_basis(self, width_px: int, height_px: int) -> tuple[Array, Array, Array]:
        """Return (corner, across, down): the ray of pixel (x, y) is corner + x across + y down; pixel centers are integers."""
        right, down, forward = self.axes()
        focal_px = self.focal * height_px
        corner = forward - right * (width_px - 1) / (2 * focal_px) - down * (height_px - 1) / (2 * focal_px)
        return corner, right / focal_px, down / focal_px

    def project(self, points: NDArray[Any], width_px: int, height_px: int) -> tuple[Array, Array]:
        """Project world points [*B,3] to image [*B,2] px and distance along the optical axis [*B] m."""
        right, down, forward = self.axes()
        offset = points - np.array(self.position)
        depth = offset @ forward
        focal_px = self.focal * height_px
        x = offset @ right / depth * focal_px + (width_px - 1) / 2
        y = offset @ down / depth * focal_px + (height_px - 1) / 2
        return np.stack([x, y], -1), depth


@dataclass(frozen=True)
class Room:
    """A box with a texture function for each face. wall_y: the back wall; half_width: the side walls; colors in [0,1]."""

    name: str
    camera: Camera
    light: tuple[float, float, float]
    key: RGB
    sky: RGB
    ground: RGB
    shadow: float
    wall_y: float
    half_width: float
    paint_floor: Callable[[Array, Array], Array]
    paint_wall: Callable[[Array, Array], Array]
    paint_side: Callable[[Array, Array], Array]


def background(room: Room, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Render the empty room as float32 [H,W,3] in [0,1], with 3x3 samples per pixel."""
    corner, across, down = room.camera.ray_basis(width_px, height_px)
    total = np.zeros((height_px, width_px, 3))
    x, y = np.meshgrid(np.arange(width_px), np.arange(height_px))
    for dx in (-1 / 3, 0, 1 / 3):
        for dy in (-1 / 3, 0, 1 / 3):
            rays = corner + (x + dx)[..., None] * across + (y + dy)[..., None] * down
            total += _radiance(room, rays)
    return np.clip(total / 9, 0, 1).astype(np.float32)


def _radiance(room: Room, rays: Array) -> Array:
    eye = np.array(room.camera.position)
    with np.errstate(divide="ignore"):
        to_floor = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
        to_wall = (room.wall_y - eye[1]) / np.maximum(rays[..., 1], 1e-9)
        to_side = np.where(rays[..., 0] > 0, room.half_width - eye[0], -room.half_width - eye[0]) / rays[..., 0]
    reach = np.stack([to_floor, to_wall, to_side])
    nearest = reach.argmin(0)
    position = eye + rays * reach.min(0)[..., None]
    x, y, z = np.moveaxis(position, -1, 0)
    faces = [room.paint_floor(x, y), room.paint_wall(x, z), room.paint_side(y, z)]
    color = np.choose(nearest[..., None], faces)
    # ambient occlusion in the corners
    to_edge = np.stack(
        [
            np.where(nearest == 0, 9, z),
            np.where(nearest == 1, 9, room.wall_y - y),
            np.where(nearest == 2, 9, room.half_width - abs(x)),
        ]
    )
    shaded: Array = color * (1 - 0.16 * np.exp(-np.maximum(to_edge, 0).min(0) / 0.22))[..., None]
    return shaded


def _noise(*coordinates: Array) -> Array:
    """Return repeatable value noise in [0,1] of integer cells."""
    total = sum(np.floor(c) * k for c, k in zip(coordinates, (12.9898, 78.233, 37.719), strict=False))
    wave = np.sin(total) * 43758.5453
    return np.asarray(wave - np.floor(wave))


def _mix(a: RGB | Array, b: RGB | Array, fraction: Array) -> Array:
    mixed: Array = np.asarray(a) * (1 - fraction[..., None]) + np.asarray(b) * fraction[..., None]
    return mixed


def _inside(x: Array, z: Array, left: float, right: float, low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray((x > left) & (x < right) & (z > low) & (z < high))


def _parquet(x: Array, y: Array) -> Array:
    plank = np.floor(x / 0.14)
    along = y / 1.2 + _noise(plank) * 3
    tone = 0.86 + 0.16 * _noise(plank, along) + 0.04 * np.sin(y * 40 + 6 * _noise(plank, along) * 6)
    gap = (np.abs(x / 0.14 - np.round(x / 0.14)) < 0.03) | (np.abs(along - np.round(along)) < 0.004)
    tone = np.where(gap, tone * 0.72, tone)
    sunlight = 1.05 - 0.03 * np.hypot(x - 0.5, y)
    return np.array([0.66, 0.50, 0.35]) * (tone * sunlight)[..., None]


def _warm_wall(x: Array, z: Array) -> Array:
    color = np.array([0.83, 0.80, 0.74]) * (1.02 - 0.035 * np.abs(x - 0.8) - 0.01 * z)[..., None]
    frame, glass = _inside(x, z, -2.05, -0.85, 0.95, 2.35), _inside(x, z, -1.98, -0.92, 1.02, 2.28)
    color = np.where(frame[..., None], [0.95, 0.94, 0.92], color)
    sky = _mix((0.80, 0.89, 0.96), (0.55, 0.74, 0.93), np.clip((z - 1.0) / 1.3, 0, 1))
    hills = 1.32 + 0.08 * np.sin(x * 3.1) + 0.05 * np.sin(x * 7.3 + 1)
    sky = np.where((z < hills)[..., None], [0.50, 0.62, 0.42], sky)
    color = np.where(glass[..., None], sky, color)
    bars = glass & ((np.abs(x + 1.45) < 0.02) | (np.abs(z - 1.68) < 0.02))
    color = np.where(bars[..., None], [0.93, 0.92, 0.90], color)
    picture, canvas = _inside(x, z, 0.92, 1.72, 1.25, 1.85), _inside(x, z, 0.97, 1.67, 1.30, 1.80)
    color = np.where(picture[..., None], [0.22, 0.17, 0.13], color)
    disc = np.hypot(x - 1.2, z - 1.58) < 0.13
    art = np.where((z < 1.45 + 0.05 * np.sin(x * 9))[..., None], [0.20, 0.36, 0.46], [0.93, 0.80, 0.62])
    art = np.where(disc[..., None], [0.88, 0.42, 0.24], art)
    color = np.where(canvas[..., None], art, color)
    return np.where((z < 0.11)[..., None], [0.93, 0.92, 0.89], color)


def _plain_side(y: Array, z: Array) -> Array:
    color = np.array([0.76, 0.73, 0.68]) * (1 - 0.02 * z + 0 * y)[..., None]
    return np.where((z < 0.11)[..., None], [0.90, 0.89, 0.86], color)


def _concrete(x: Array, y: Array) -> Array:
    cloud = np.sin(x * 2.3 + np.sin(y * 1.7)) * np.sin(y * 2.9 + np.sin(x * 2.1)) + 0.5 * np.sin(x * 7 + 3 * np.sin(y * 5))
    tone = 0.47 + 0.012 * cloud + 0.012 * _noise(x * 60, y * 60)
    joint = (np.abs(x - np.round(x / 1.5) * 1.5) < 0.008) | (np.abs(y - np.round(y / 1.5) * 1.5) < 0.008)
    tone = np.where(joint, tone * 0.82, tone)
    return np.asarray(np.array([1.0, 1.01, 1.04]) * (tone * (1.05 - 0.03 * np.hypot(x, y)))[..., None])


def _bricks(x: Array, z: Array) -> Array:
    row = np.floor(z / 0.085)
    shifted = x / 0.25 + 0.5 * (row % 2)
    tone = 0.80 + 0.22 * _noise(row, shifted) - 0.015 * np.abs(x + 0.6)
    color = np.array([0.50, 0.30, 0.25]) * tone[..., None] + 0.05 * _noise(row * 3, shifted)[..., None]
    mortar = (np.abs(z / 0.085 - np.round(z / 0.085)) < 0.07) | (np.abs(shifted - np.round(shifted)) < 0.025)
    color = np.where(mortar[..., None], np.array([0.56, 0.50, 0.46]) * (tone * 0.95)[..., None], color)
    door = _inside(x, z, 1.15, 2.05, 0.0, 2.1)
    panel = _inside(x, z, 1.25, 1.95, 1.15, 1.98) | _inside(x, z, 1.25, 1.95, 0.15, 1.02)
    color = np.where(door[..., None], [0.16, 0.30, 0.33], color)
    color = np.where(panel[..., None], [0.19, 0.35, 0.38], color)
    color = np.where((np.hypot(x - 1.24, z - 1.05) < 0.035)[..., None], [0.80, 0.70, 0.40], color)
    poster = _inside(x, z, -1.75, -0.95, 1.05, 2.15)
    print_ = np.where(
        (np.abs(((x + 1.35) ** 2 + (z - 1.65) ** 2) ** 0.5 % 0.12 - 0.06) < 0.03)[..., None],
        [0.93, 0.76, 0.28],
        [0.13, 0.15, 0.26],
    )
    print_ = np.where((z < 1.25)[..., None], [0.90, 0.88, 0.83], print_)
    color = np.where(poster[..., None], print_, color)
    return np.where(((z < 0.14) & ~door)[..., None], [0.24, 0.22, 0.22], color)


def _dark_side(y: Array, z: Array) -> Array:
    color = np.array([0.42, 0.38, 0.36]) * (1 - 0.03 * z + 0 * y)[..., None]
    return np.where((z < 0.14)[..., None], [0.22, 0.20, 0.20], color)


_ROOMS: Final = (
    Room(
        "bright", Camera((0.25, -4.6, 1.25), (0.0, 0.0, 1.02), 1.82), light=(-0.50, -0.62, 1.0),
        key=(0.74, 0.71, 0.65), sky=(0.52, 0.53, 0.56), ground=(0.33, 0.29, 0.25), shadow=0.42,
        wall_y=2.1, half_width=2.9, paint_floor=_parquet, paint_wall=_warm_wall, paint_side=_plain_side,
    ),
    Room(
        "loft", Camera((-0.45, -5.4, 0.95), (0.0, 0.0, 1.06), 2.03), light=(0.62, -0.55, 1.0),
        key=(0.78, 0.74, 0.68), sky=(0.42, 0.44, 0.50), ground=(0.27, 0.26, 0.27), shadow=0.50,
        wall_y=2.3, half_width=3.2, paint_floor=_concrete, paint_wall=_bricks, paint_side=_dark_side,
    ),
)  # fmt: skip

ROOMS: Final[dict[str, Room]] = {room.name: room for room in _ROOMS}
