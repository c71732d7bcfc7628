"""Clothes and hair made from MakeHuman's helper meshes (tights, skirt) and the scalp, by clipping, offsetting and smoothing.

Hems are exact: surfaces are clipped along smooth coordinates (along the arm, along the leg, height), not along mesh edges.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio.anny_assets import Array, BaseMesh, Rig
from dancenow.research.studio.identity import Identity
from dancenow.research.studio.mesh import Surface, Triangles, ellipsoid, smoothed, triangles_of, vertex_normals

SKIN, LASH, EYE, TEETH, HAIR, TOP, BOTTOM, SHOE = range(8)
"""Materials of a dancer, in the order of the shader tables."""

_HEM_MARGIN: Final = 0.16
_UNDER_SKIRT: Final = 0.9


@dataclass(frozen=True, eq=False)
class UndressedBody:
    """A body in the rest pose over the vertices [V] of the base mesh; joints: name -> position [3] m."""

    mesh: BaseMesh
    rig: Rig
    rest: Array
    actions: Array
    paint: Array
    fabric: Array
    joints: dict[str, Array]

    @property
    def floor_m(self) -> float:
        """Height of the bare soles."""
        return float(self.rest[self.mesh.quads["body"], 2].min())

    def surface(self, triangles: Triangles, material: int) -> Surface:
        """Return triangles of the base mesh as a surface."""
        kinds = np.full(len(triangles), material, np.int32)
        return Surface(self.rest, self.fabric, self.paint, self.rig.weights, self.actions, triangles, kinds)


def measure_body(mesh: BaseMesh, rig: Rig, rest: Array, actions: Array, paint: Array) -> UndressedBody:
    """Measure a body for its clothes. Fabric coordinates are those of a body with straight arms at the sides."""
    joints = {name: rest[indices].mean(0) for name, indices in zip(rig.names, rig.head_vertices, strict=True)}
    bare = UndressedBody(mesh, rig, rest, actions, paint, rest, joints)
    return replace(bare, fabric=_straighten_arms(bare))


_ARM: Final = (("upperarm01", "lowerarm01", "wrist"), ("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
_LEG: Final = (("upperleg01", "lowerleg01", "foot"), ("upperleg", "lowerleg", "foot", "toe"))
Limb = tuple[tuple[str, str, str], tuple[str, ...]]


def _limb_weight(undressed: UndressedBody, limb: Limb, side: str, weights: Array) -> Array:
    """Return the part of each vertex's skinning weight [V] that belongs to the bones of the limb."""
    columns = [j for j, name in enumerate(undressed.rig.names) if name.endswith(side) and name.startswith(limb[1])]
    total: Array = weights[:, columns].sum(1)
    return total


def _upper_lower(undressed: UndressedBody, limb: Limb, side: str, points: Array) -> tuple[Array, Array]:
    """Return the fractions [V] of the upper and the lower half of a limb up to the projection of each point on its axis."""
    start, middle, end = (undressed.joints[name + side] for name in limb[0])
    first, second = middle - start, end - middle
    upper = np.minimum((points - start) @ first / (first @ first), 1)
    return upper, np.maximum((points - middle) @ second / (second @ second), 0)


def _limb_coordinate(undressed: UndressedBody, limb: Limb, points: Array, weights: Array) -> Array:
    """Return 0 at shoulder or hip, 1 at elbow or knee, 2 at wrist or ankle [V]; 0 off the limb."""
    coordinate = np.zeros(len(points), np.float32)
    for side in (".L", ".R"):
        on_limb = _limb_weight(undressed, limb, side, weights) > 0.5
        coordinate = np.where(on_limb, sum(_upper_lower(undressed, limb, side, points)), coordinate)
    return coordinate


def _straighten_arms(undressed: UndressedBody) -> Array:
    """Return the rest positions [V,3] with both arms straight down, so that patterns run around the sleeves."""
    straightened = undressed.rest.copy()
    for side in (".L", ".R"):
        start, middle, end = (undressed.joints[name + side] for name in _ARM[0])
        lengths = np.linalg.norm(middle - start), np.linalg.norm(end - middle)
        upper, lower = _upper_lower(undressed, _ARM, side, undressed.rest)
        below = (upper + lower > 1)[:, None]
        axis = np.where(below, (end - middle) / lengths[1], (middle - start) / lengths[0])
        offset = undressed.rest - np.where(below, middle, start)
        across = offset - (offset * axis).sum(1, keepdims=True) * axis
        out = start[0] + np.hypot(across[:, 0], across[:, 2]) * np.sign(across[:, 0])
        straight = np.stack([out, across[:, 1], start[2] - upper * lengths[0] - lower * lengths[1]], 1)
        fraction = np.clip(_limb_weight(undressed, _ARM, side, undressed.rig.weights), 0, 1)[:, None]
        straightened += fraction * (straight - undressed.rest)
    return straightened.astype(np.float32)


def _neckline(undressed: UndressedBody, identity: Identity, points: Array) -> Array:
    """Return a scalar that is positive on the shirt: below a cut that dips at the throat and rises at the sides of the neck."""
    x, y, z = (points - undressed.joints["neck01"]).T
    throat = np.clip((0.02 - y) / 0.08, 0, 1) * np.clip((0.135 - np.abs(x)) / 0.07, 0, 1)
    cut = 0.008 + 0.8 * np.maximum(np.abs(x) - 0.07, 0) - (0.040 + identity.top.neck_m) * throat
    return np.asarray(cut - z, np.float32)


def _tights(undressed: UndressedBody, material: int) -> Surface:
    """Return the tights with twice the resolution, smoothed."""
    tights = undressed.surface(triangles_of(undressed.mesh.quads["helper-tights"]), material).compact().subdivided()
    fabric = smoothed(tights.fabric, tights.triangles, 12)
    return replace(tights, rest=smoothed(tights.rest, tights.triangles, 3), fabric=fabric)


def _offset_outward(surface: Surface, amount: NDArray[np.floating[Any]], rounds: int) -> Surface:
    """Move a surface outward by `amount` m [V], after smoothing away details that cloth would hide."""
    smooth_rest = smoothed(surface.rest, surface.triangles, rounds)
    normals = vertex_normals(smooth_rest, surface.triangles)
    inward = np.minimum(((smooth_rest - surface.rest) * normals).sum(1), 0)
    return surface.moved((smooth_rest + (amount - inward)[:, None] * normals).astype(np.float32))


def shirt(undressed: UndressedBody, identity: Identity) -> Surface:
    """Make the top from the tights above the hips; it hangs slightly over the waistband."""
    top, tights = identity.top, _tights(undressed, TOP)
    arm = _limb_coordinate(undressed, _ARM, tights.rest, tights.weights)
    low = np.clip((undressed.joints["spine02"][2] - tights.rest[:, 2]) / 0.25, 0, 1) * (arm < 0.05)
    snug = np.clip(_neckline(undressed, identity, tights.rest) / 0.10, 0, 1)
    amount = 0.004 + top.looseness_m * (1 + 0.6 * low) * snug
    shirt = _offset_outward(tights, amount, 14)
    arm = _limb_coordinate(undressed, _ARM, shirt.rest, shirt.weights)
    hem = np.where(arm > 0.05, 1.0, shirt.rest[:, 2] - (undressed.joints["upperleg01.L"][2] + 0.01))
    neck = np.where(arm > 0.3, 1.0, _neckline(undressed, identity, shirt.rest))
    return shirt.clipped(np.minimum(np.minimum(hem, neck), (top.sleeve - arm) * 0.28))


def bottom(undressed: UndressedBody, identity: Identity) -> list[Surface]:
    """Make trousers or shorts from the tights, or a skirt over tight shorts of its fabric, which hide thighs that poke
    through."""
    garment = identity.bottom
    trousers = garment.kind == "trousers"
    tights = _tights(undressed, BOTTOM)
    leg = _limb_coordinate(undressed, _LEG, tights.rest, tights.weights)
    loose = garment.looseness_m if trousers else 0.0
    garment_surface = _offset_outward(tights, 0.005 + loose * np.clip(leg, 0, 1.6), 10)
    leg = _limb_coordinate(undressed, _LEG, garment_surface.rest, garment_surface.weights)
    arm = _limb_coordinate(undressed, _ARM, garment_surface.rest, garment_surface.weights)
    length = garment.length if trousers else _UNDER_SKIRT * garment.length
    height = np.minimum(undressed.joints["spine04"][2] - garment_surface.rest[:, 2], (length - leg) * 0.4)
    parts = [garment_surface.clipped(np.where(arm > 0.05, -1.0, height))]
    if not trousers:
        skirt = undressed.surface(triangles_of(undressed.mesh.quads["helper-skirt"]), BOTTOM).compact()
        hip, knee = undressed.joints["upperleg01.L"][2], undressed.joints["lowerleg01.L"][2]
        parts.append(skirt.clipped(skirt.rest[:, 2] - (hip + (knee - hip) * garment.length)))
    return parts


def shoes(undressed: UndressedBody) -> Surface:
    """Make trainers from the feet of the tights, thickened, with a flat sole under the bare foot."""
    shoe = _offset_outward(_tights(undressed, SHOE), np.array(0.010), 3)
    leg = _limb_coordinate(undressed, _LEG, shoe.rest, shoe.weights)
    arm = _limb_coordinate(undressed, _ARM, shoe.rest, shoe.weights)
    shoe = shoe.clipped(np.where(arm > 0.05, -1.0, (leg - 1.90) * 0.4))
    rest = shoe.rest.copy()
    ground = undressed.floor_m - 0.014
    rest[:, 2] = np.where(rest[:, 2] < ground + 0.030, ground + np.maximum(rest[:, 2] - ground - 0.018, 0), rest[:, 2])
    return shoe.moved(rest)


def skin_surface(undressed: UndressedBody, identity: Identity) -> Surface:
    """Make the skin: moved inward under cloth, and left out where it is never visible."""
    arm = _limb_coordinate(undressed, _ARM, undressed.rest, undressed.rig.weights)
    leg = _limb_coordinate(undressed, _LEG, undressed.rest, undressed.rig.weights)
    length = identity.bottom.length * (1 if identity.bottom.kind == "trousers" else _UNDER_SKIRT)
    neck = np.where(arm > 0.3, 1.0, _neckline(undressed, identity, undressed.rest) * 6)
    under_top = np.minimum(neck, identity.top.sleeve - arm)
    depth = np.where(leg > 0, np.maximum(length - leg, leg - 1.92), under_top)
    triangles = triangles_of(undressed.mesh.quads["body"])
    normals = vertex_normals(undressed.rest, triangles)
    drawn_in = undressed.rest - normals * (0.012 * np.clip(depth / 0.08, 0, 1))[:, None]
    seen = (depth[triangles] < _HEM_MARGIN).any(1)
    return undressed.surface(triangles[seen], SKIN).moved(drawn_in.astype(np.float32)).compact()


def face_parts(undressed: UndressedBody) -> list[Surface]:
    """Return eyes, upper lashes, teeth and tongue, all from the helper meshes."""
    groups = [
        (("helper-l-eye", "helper-r-eye"), EYE),
        (("helper-l-eyelashes-2", "helper-r-eyelashes-2"), LASH),
        (("helper-upper-teeth", "helper-lower-teeth"), TEETH),
    ]
    return [
        undressed.surface(np.concatenate([triangles_of(undressed.mesh.quads[name]) for name in names]), material).compact()
        for names, material in groups
    ]


_HAIR_THICKNESS_M: Final = {"short": 0.010, "bun": 0.012, "ponytail": 0.010, "long": 0.020, "afro": 0.070, "bob": 0.022}


def hair(undressed: UndressedBody, identity: Identity) -> list[Surface]:
    """Make a shell over the scalp, thicker away from the hairline, and the additions of the hair style."""
    eye = undressed.joints["eye.L"]
    body = triangles_of(undressed.mesh.quads["body"])
    height = _hairline(undressed)
    shell = undressed.surface(body[(height[body] > -0.03).all(1)], HAIR).compact()
    used = np.unique(body[(height[body] > -0.03).all(1)])
    thick = _HAIR_THICKNESS_M[identity.hair_style]
    taper = np.clip(height[used] / (0.035 if thick < 0.05 else 0.08), 0, 1) ** 0.6
    shell = replace(shell, actions=shell.actions * 0)
    parts = [_offset_outward(shell, 0.002 + thick * taper, 4).clipped(height[used])]
    back = undressed.rest[(undressed.rest[:, 2] > eye[2]) & (np.abs(undressed.rest[:, 0]) < 0.1), 1].max()
    center = np.array([0, back, eye[2]], np.float32)
    match identity.hair_style:
        case "bun":
            parts.append(_hair_ellipsoid(undressed, center + _position(0, -0.005, 0.085), (0.042, 0.042, 0.038)))
        case "ponytail":
            parts.append(_hair_ellipsoid(undressed, center + _position(0, 0.020, 0.050), (0.022, 0.030, 0.022)))
            parts.append(_hair_ellipsoid(undressed, center + _position(0, 0.045, -0.040), (0.030, 0.032, 0.110)))
        case "bob" | "long":
            parts.append(_hair_curtain(undressed, identity.hair_style))
        case _:
            pass
    return parts


def _hairline(undressed: UndressedBody) -> Array:
    """Return a scalar [V] that is positive on the scalp: above a line over brow and temple, in front of the ear, to the
    nape."""
    eye = undressed.joints["eye.L"]
    x, y, z = (undressed.rest - [0, eye[1], eye[2]]).T
    line = np.interp(
        y,
        [-0.02, 0.02, 0.045, 0.058, 0.068, 0.080, 0.100, 0.125, 0.16],
        [0.060, 0.046, 0.026, -0.004, -0.012, 0.022, 0.008, -0.055, -0.070],
    )
    line = line - 0.010 * np.exp(-((np.abs(x) - 0.055) ** 2) / 0.0003) * (y < 0.03)
    skull = np.abs(undressed.rest[undressed.rest[:, 2] > eye[2] + 0.04, 0]).max()
    ear = np.where((y > 0.070) & (y < 0.15) & (z < 0.03), skull + 0.002 - np.abs(x), 1.0)
    height = np.minimum(z - line, ear)
    return np.where(undressed.rest[:, 2] > undressed.joints["neck03"][2] - 0.05, height, -1.0).astype(np.float32)


def _position(*xyz: float) -> Array:
    return np.array(xyz, np.float32)


def _hair_ellipsoid(undressed: UndressedBody, center: Array, radii: tuple[float, float, float]) -> Surface:
    """Return an ellipsoid of hair that follows the head."""
    vertices, triangles = ellipsoid(center, np.array(radii, np.float32))
    return _head_surface(undressed, vertices, triangles)


def _head_surface(undressed: UndressedBody, vertices: Array, triangles: Triangles) -> Surface:
    count = len(vertices)
    weights = np.zeros((count, len(undressed.rig.names)), np.float32)
    weights[:, undressed.rig.names.index("head")] = 1
    actions = np.zeros((count, *undressed.actions.shape[1:]), np.float32)
    kinds = np.full(len(triangles), HAIR, np.int32)
    return Surface(vertices, vertices.copy(), np.zeros(count, np.float32), weights, actions, triangles, kinds)


def _hair_curtain(undressed: UndressedBody, style: str) -> Surface:
    """Return hair that falls around the back and the sides of the head, open at the face."""
    eye = undressed.joints["eye.L"]
    skull = undressed.rest[(undressed.rest[:, 2] > eye[2] + 0.02)]
    half = np.array([np.abs(skull[:, 0]).max(), (skull[:, 1].max() - skull[:, 1].min()) / 2])
    middle = (skull[:, 1].max() + skull[:, 1].min()) / 2
    rings, sectors = 14, 40
    drop = -0.115 if style == "bob" else -0.19
    level = np.linspace(0.055, drop, rings)[:, None]
    angle = np.radians(np.linspace(-152, 152, sectors))[None]
    flare = np.interp(level, [drop, -0.06, 0.055], [0.016, 0.020, 0.010])
    x = np.sin(angle) * (half[0] + flare)
    y = middle + np.cos(angle) * (half[1] + flare * 0.8)
    z = eye[2] + level + 0 * angle
    vertices = np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32)
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(sectors - 1), indexing="ij")
    a = i * sectors + j
    quads = np.stack([a, a + 1, a + sectors + 1, a + sectors], -1).reshape(-1, 4).astype(np.int32)
    surface = _head_surface(undressed, vertices, triangles_of(quads))
    opening = vertices[:, 1] - (eye[1] + np.interp(vertices[:, 2] - eye[2], [-0.12, -0.02, 0.06], [0.035, 0.040, 0.020]))
    return surface.clipped(opening.astype(np.float32))
