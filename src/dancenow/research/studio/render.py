"""Render a performance frame by frame with Warp ray casting on the CPU (or a GPU), with exact keypoints.

One ray per pixel inside the bounding box of the person, three more at edges; the shadow on the floor has a lower resolution.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow import execution
from dancenow.research.studio import clothes
from dancenow.research.studio.anny_assets import require_package
from dancenow.research.studio.body import Body
from dancenow.research.studio.identity import RGB, Cloth, Identity
from dancenow.research.studio.motion import Performance
from dancenow.research.studio.rotations import unit
from dancenow.research.studio.scene import Camera, Room, background
from dancenow.skeleton import KEYPOINTS
from dancenow.types import FloatArray, Pose

_SUBPIXEL: Final = ((-0.1, -0.36), (0.36, 0.1), (-0.26, 0.26))  # three more positions in an edge pixel, beside its center
_EDGE: Final = 0.15
_TRIANGLE_M: Final = 0.03  # upper bound of the distance of a vertex to the center of its triangles
_LIGHT_SPREAD: Final = 0.10
_CONTACT_LIGHTS: Final = (
    (0.25, 0.1, 1.0),
    (-0.2, 0.25, 1.0),
    (0.0, -0.3, 1.0),
)  # steep, short range: contact shadows of the feet
_CONTACT_RANGE_M: Final = 0.3


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """One frame: image_rgb uint8 [H,W,3]; mask uint8 [H,W], 255 = person, with soft edges; its exact pose [K]."""

    image_rgb: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    pose: Pose


def render(
    body: Body, performance: Performance, room: Room, width_px: int, height_px: int, seed: int = 0, noise: float = 0.006
) -> Iterator[RenderedFrame]:
    """Yield every frame of a performance; the same arguments give the same pixels.

    Raises:
        UserError: warp-lang is not installed.
    """
    renderer = _FrameRenderer(body, room, width_px, height_px)
    generator = np.random.default_rng(seed)
    noise_frames = generator.normal(0, noise, (8, height_px, width_px, 1)).astype(np.float32)
    for t in range(len(performance)):
        rotations, face = performance.rotations[t].astype(np.float64), performance.face[t]
        positions = body.posed_joints(rotations, performance.root[t])
        color, alpha = renderer.draw(body.posed_vertices(rotations, positions, face))
        shift = generator.integers(0, (height_px, width_px))
        image = color + np.roll(noise_frames[generator.integers(8)], shift, (0, 1))
        image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        pose = project_pose(body, rotations, positions, room, width_px, height_px)
        yield RenderedFrame(image, (alpha * 255 + 0.5).astype(np.uint8), pose)


def empty_room(room: Room, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the background without dancer and noise, uint8 [H,W,3]."""
    return (background(room, width_px, height_px) * 255 + 0.5).astype(np.uint8)


def project_pose(body: Body, rotations: Any, positions: Any, room: Room, width_px: int, height_px: int) -> Pose:
    """Return the keypoints [*B,K] in image px of a body with bone rotations [*B,J,3,3] and bone heads [*B,J,3]."""
    return project_keypoints(body.keypoints(rotations, positions), room.camera, width_px, height_px)


def project_keypoints(points: NDArray[Any], camera: Camera, width_px: int, height_px: int) -> Pose:
    """Project world keypoints [*B,K,3] m to image px, with px-scaled depth relative to the hips."""
    xy, distance = camera.project(points, width_px, height_px)
    hips = distance[..., [KEYPOINTS.index("right_hip"), KEYPOINTS.index("left_hip")]].mean(axis=-1, keepdims=True)
    depth = (distance - hips) * camera.focal * height_px / hips
    return Pose(xy.astype(np.float32), np.ones(depth.shape, np.float32), depth.astype(np.float32))


def project_face(
    body: Body, rotations: Any, positions: Any, face: Any, room: Room, width_px: int, height_px: int
) -> FloatArray:
    """Return the face landmarks float32 [T,68,3] in image px, with depth relative to the center of the head, smaller =
    nearer."""
    xy, distance = room.camera.project(body.face_landmarks(rotations, positions, face), width_px, height_px)
    middle = distance.mean(axis=-1, keepdims=True)
    depth = (distance - middle) * room.camera.focal * height_px / middle
    return np.concatenate([xy, depth[..., None]], axis=-1).astype(np.float32)


def _load_warp() -> Any:
    """Import Warp without its messages on standard output, and on standard error if there is no GPU driver."""
    require_package("warp")
    warp = importlib.import_module("warp")
    warp.config.log_level = warp.LOG_ERROR
    with execution.native_loading():
        warp.init()
    return warp


class _FrameRenderer:
    """Renders one dancer in one room; holds the mesh on the device and refits it to each pose."""

    def __init__(self, body: Body, room: Room, width_px: int, height_px: int) -> None:
        wp = self._wp = _load_warp()
        self._kernels = importlib.import_module("dancenow.research.studio.shaders")
        self._room, self._size = room, (width_px, height_px)
        self._background = background(room, width_px, height_px)
        surface = body.surface
        self._points = wp.array(surface.rest, dtype=wp.vec3)
        self._indices = wp.array(surface.triangles.ravel(), dtype=int)
        self._normals = wp.zeros(len(surface.rest), dtype=wp.vec3)
        self._mesh = wp.Mesh(points=self._points, indices=self._indices, bvh_leaf_size=4)
        person = self._kernels.Person()
        person.mesh = self._mesh.id
        person.normals = self._normals
        person.fabric = wp.array(surface.fabric, dtype=wp.vec3)
        person.paint = wp.array(surface.paint, dtype=float)
        person.indices = self._indices
        person.material = wp.array(surface.material, dtype=int)
        self._person = person
        self._shading = self._shading_of(body)
        light = unit(np.array(room.light))
        side, up = unit(np.cross(light, [0, 0, 1.0])), np.array([0, 0, 1.0])
        spread = [light + _LIGHT_SPREAD * (np.cos(a) * side + np.sin(a) * up) for a in np.arange(5) * 2 * np.pi / 5]
        ranges = [4.0] * (1 + len(spread)) + [_CONTACT_RANGE_M] * len(_CONTACT_LIGHTS)
        lights = np.c_[unit(np.array([light, *spread, *_CONTACT_LIGHTS])), ranges]
        self._lights = wp.array(lights.astype(np.float32), dtype=wp.vec4)

    def _shading_of(self, body: Body) -> Any:
        wp, kernels, room = self._wp, self._kernels, self._room
        table = _materials(body.identity)
        shading = kernels.Shading()
        shading.first = wp.array(np.array([row[1] for row in table], np.float32), dtype=wp.vec3)
        shading.second = wp.array(np.array([row[2] for row in table], np.float32), dtype=wp.vec3)
        shading.kind = wp.array(np.array([_KINDS.index(row[0]) for row in table], np.int32), dtype=int)
        shading.scale = wp.array(np.array([row[3] for row in table], np.float32), dtype=float)
        shading.eye = wp.vec3(*body.joint("eye.L").tolist())
        shading.logo = wp.vec3(0.0, float(body.joint("neck01")[1]), float(body.joint("neck01")[2]) - 0.20)
        shading.hairline = wp.vec3(*(0.75 * np.array(body.identity.hair)).tolist())
        shading.light = wp.vec3(*unit(np.array(room.light)).tolist())
        shading.key, shading.sky, shading.ground = wp.vec3(*room.key), wp.vec3(*room.sky), wp.vec3(*room.ground)
        shading.sole = 0.030
        return shading

    def draw(self, vertices: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return image float32 [H,W,3] in [0,1] and coverage [H,W] of the posed dancer."""
        wp = self._wp
        self._points.assign(vertices)
        self._normals.zero_()
        wp.launch(self._kernels.add_normals, dim=len(self._indices) // 3, inputs=[self._points, self._indices, self._normals])
        self._mesh.refit()
        image = self._background.copy()
        self._cast_shadow(image, vertices)
        width, height = self._size
        alpha = np.zeros((height, width), np.float32)
        xy, depth_m = self._room.camera.project(vertices, width, height)
        box = _box(xy, width, height, margin_px=2)
        if box is None:
            return image, alpha
        x0, y0, x1, y1 = box
        triangle_px = _TRIANGLE_M * self._room.camera.focal * height / max(0.1, float(depth_m.min()))
        near = _near_vertices(xy - (x0, y0), x1 - x0, y1 - y0, triangle_px)
        y, x = (index.astype(np.float32) for index in np.nonzero(near))
        rgba = np.zeros((y1 - y0, x1 - x0, 4), np.float32)
        rgba[near] = self._rays(x + x0, y + y0)
        edge = _edges(rgba)
        y, x = (index.astype(np.float32) for index in np.nonzero(edge))
        samples = self._rays(
            np.concatenate([x + (x0 + dx) for dx, _ in _SUBPIXEL]), np.concatenate([y + (y0 + dy) for _, dy in _SUBPIXEL])
        )
        rgba[edge] = (rgba[edge] + samples.reshape(len(_SUBPIXEL), -1, 4).sum(0)) / (1 + len(_SUBPIXEL))
        cover = rgba[..., 3:]
        crop = image[y0:y1, x0:x1]
        crop[:] = crop * (1 - cover) + rgba[..., :3]
        alpha[y0:y1, x0:x1] = cover[..., 0]
        return image, alpha

    def _rays(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        wp = self._wp
        corner, across, down = self._room.camera.ray_basis(*self._size)
        color = wp.empty(len(x), dtype=wp.vec4)
        vectors = [wp.vec3(*v.tolist()) for v in (np.array(self._room.camera.position), corner, across, down)]
        positions = [wp.array(np.ascontiguousarray(v), dtype=float) for v in (x, y)]
        wp.launch(self._kernels.draw, dim=len(x), inputs=[self._person, self._shading, *vectors, *positions, color])
        result: NDArray[np.float32] = color.numpy()
        return result

    def _cast_shadow(self, image: NDArray[np.float32], vertices: NDArray[np.float32]) -> None:
        """Darken the floor in place where the person blocks the light."""
        wp, room = self._wp, self._room
        width, height = self._size
        light = unit(np.array(room.light))
        sampled = vertices[::7]
        shadow_points = sampled - light * (sampled[:, 2:] / light[2])
        xy, _ = room.camera.project(
            np.concatenate([shadow_points, sampled[sampled[:, 2] < _CONTACT_RANGE_M] * (1, 1, 0)]), width, height
        )
        box = _box(xy, width, height, margin_px=max(8, height // 24))
        if box is None:
            return
        x0, y0, x1, y1 = box
        columns, rows = max(2, (x1 - x0) // 3), max(2, (y1 - y0) // 3)
        x, y = np.meshgrid(np.linspace(x0, x1 - 1, columns), np.linspace(y0, y1 - 1, rows))
        corner, across, down = room.camera.ray_basis(width, height)
        rays = corner + x[..., None] * across + y[..., None] * down
        eye = np.array(room.camera.position)
        reach = np.where(rays[..., 2] < -1e-6, -eye[2] / np.minimum(rays[..., 2], -1e-6), 1e6)
        points = eye + rays * reach[..., None]
        on_floor = (points[..., 1] < room.wall_y).ravel()
        shadow = np.zeros(columns * rows, np.float32)
        target = wp.zeros(int(on_floor.sum()), dtype=float)
        floor = wp.array(points.reshape(-1, 3)[on_floor].astype(np.float32), dtype=wp.vec3)
        wp.launch(self._kernels.floor_shadow, dim=int(on_floor.sum()), inputs=[self._person, floor, self._lights, target])
        shadow[on_floor] = target.numpy()
        soft = cv2.GaussianBlur(shadow.reshape(rows, columns), (0, 0), 0.8)
        full = cv2.resize(soft, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        image[y0:y1, x0:x1] *= 1 - room.shadow * full[..., None]


_KINDS: Final = ("plain", "stripes", "checks", "logo", "denim", "skin", "eye", "hair", "shoe", "teeth")
Row = tuple[str, RGB, RGB, float]


def _materials(identity: Identity) -> list[Row]:
    """Return the shader table in the order of the materials of `clothes`."""

    def cloth(fabric: Cloth) -> Row:
        return fabric.pattern, fabric.first, fabric.second, fabric.scale_m

    lighter: RGB = (
        min(1.0, identity.hair[0] * 1.45 + 0.03),
        min(1.0, identity.hair[1] * 1.45 + 0.025),
        min(1.0, identity.hair[2] * 1.45 + 0.02),
    )
    rows: dict[int, Row] = {
        clothes.SKIN: ("skin", identity.skin, identity.lips, 1.0),
        clothes.LASH: ("plain", (0.06, 0.05, 0.05), (0.06, 0.05, 0.05), 1.0),
        clothes.EYE: ("eye", identity.iris, identity.iris, 1.0),
        clothes.TEETH: ("teeth", (0.93, 0.91, 0.87), (0.9, 0.9, 0.9), 1.0),
        clothes.HAIR: ("hair", identity.hair, lighter, 1.0),
        clothes.TOP: cloth(identity.top.cloth),
        clothes.BOTTOM: cloth(identity.bottom.cloth),
        clothes.SHOE: ("shoe", identity.shoe, identity.sole, 1.0),
    }
    return [rows[i] for i in range(len(rows))]


def _box(xy: NDArray[Any], width: int, height: int, margin_px: int) -> tuple[int, int, int, int] | None:
    """Return the integer box (x0, y0, x1, y1) of image points inside the image, or None if it is empty."""
    low = np.clip(np.floor(xy.min(0)) - margin_px, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(xy.max(0)) + margin_px + 1, 0, (width, height)).astype(int)
    if (high - low).min() < 2:
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _near_vertices(xy: NDArray[Any], width: int, height: int, triangle_px: float, cell_px: int = 6) -> NDArray[np.bool_]:
    """Return pixels [height,width] in cells within `triangle_px` of a projected vertex; no others show the person."""
    columns, rows = -(-width // cell_px), -(-height // cell_px)
    cells = np.zeros((rows, columns), np.uint8)
    inside = (xy > -cell_px).all(1) & (xy < (width + cell_px, height + cell_px)).all(1)
    x, y = (np.clip(xy[inside] / cell_px, 0, (columns - 1, rows - 1))).astype(int).T
    cells[y, x] = 1
    ring = 1 + int(triangle_px / cell_px)
    spread = cv2.dilate(cells, np.ones((2 * ring + 1, 2 * ring + 1), np.uint8))
    return np.repeat(np.repeat(np.asarray(spread), cell_px, 0), cell_px, 1)[:height, :width].astype(bool)


def _edges(rgba: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return pixels whose 3x3 neighborhood differs in color or coverage."""
    square = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(rgba, square) - cv2.erode(rgba, square)
    return np.asarray(spread.max(-1) > _EDGE)
