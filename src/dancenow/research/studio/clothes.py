"""Clothes and hair cut out of MakeHuman's helper meshes (tights, skirt) and of the scalp, then offset and smoothed.

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
"""Materials of a dancer, in the order of the shader's tables."""

_HEM_MARGIN: Final = 0.16
_UNDER_SKIRT: Final = 0.9


@dataclass(frozen=True, eq=False)
class Figure:
    """A naked body in rest over the base mesh's vertices [V]; joints: name -> place [3] m."""

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
        """The given triangles of the base mesh as a surface."""
        kinds = np.full(len(triangles), material, np.int32)
        return Surface(self.rest, self.fabric, self.paint, self.rig.weights, self.actions, triangles, kinds)


def figure_of(mesh: BaseMesh, rig: Rig, rest: Array, actions: Array, paint: Array) -> Figure:
    """Measure a body for its clothes; its fabric coordinates have the arms hung straight down."""
    joints = {name: rest[indices].mean(0) for name, indices in zip(rig.names, rig.head_vertices, strict=True)}
    bare = Figure(mesh, rig, rest, actions, paint, rest, joints)
    return replace(bare, fabric=_hung(bare))


_ARM: Final = (("upperarm01", "lowerarm01", "wrist"), ("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
_LEG: Final = (("upperleg01", "lowerleg01", "foot"), ("upperleg", "lowerleg", "foot", "toe"))
Limb = tuple[tuple[str, str, str], tuple[str, ...]]


def _share(figure: Figure, limb: Limb, side: str, weights: Array) -> Array:
    """How much of each vertex's weight [V] lies on the limb's bones."""
    columns = [j for j, name in enumerate(figure.rig.names) if name.endswith(side) and name.startswith(limb[1])]
    total: Array = weights[:, columns].sum(1)
    return total


def _upper_lower(figure: Figure, limb: Limb, side: str, points: Array) -> tuple[Array, Array]:
    """Shares [V] of the upper and of the lower half of a limb that lie before each point's foot on its axis."""
    start, middle, end = (figure.joints[name + side] for name in limb[0])
    first, second = middle - start, end - middle
    upper = np.minimum((points - start) @ first / (first @ first), 1)
    return upper, np.maximum((points - middle) @ second / (second @ second), 0)


def _along(figure: Figure, limb: Limb, points: Array, weights: Array) -> Array:
    """0 at shoulder or hip, 1 at elbow or knee, 2 at wrist or ankle [V]; 0 off the limb."""
    coordinate = np.zeros(len(points), np.float32)
    for side in (".L", ".R"):
        on_limb = _share(figure, limb, side, weights) > 0.5
        coordinate = np.where(on_limb, sum(_upper_lower(figure, limb, side, points)), coordinate)
    return coordinate


def _hung(figure: Figure) -> Array:
    """The rest places [V,3] with both arms straight down, so that a pattern runs round the sleeves."""
    hung = figure.rest.copy()
    for side in (".L", ".R"):
        start, middle, end = (figure.joints[name + side] for name in _ARM[0])
        lengths = np.linalg.norm(middle - start), np.linalg.norm(end - middle)
        upper, lower = _upper_lower(figure, _ARM, side, figure.rest)
        below = (upper + lower > 1)[:, None]
        axis = np.where(below, (end - middle) / lengths[1], (middle - start) / lengths[0])
        offset = figure.rest - np.where(below, middle, start)
        across = offset - (offset * axis).sum(1, keepdims=True) * axis
        out = start[0] + np.hypot(across[:, 0], across[:, 2]) * np.sign(across[:, 0])
        straight = np.stack([out, across[:, 1], start[2] - upper * lengths[0] - lower * lengths[1]], 1)
        share = np.clip(_share(figure, _ARM, side, figure.rig.weights), 0, 1)[:, None]
        hung += share * (straight - figure.rest)
    return hung.astype(np.float32)


def _neckline(figure: Figure, identity: Identity, points: Array) -> Array:
    """Positive where the shirt is: below a cut that dips in front of the throat and rises beside the neck."""
    x, y, z = (points - figure.joints["neck01"]).T
    throat = np.clip((0.02 - y) / 0.08, 0, 1) * np.clip((0.135 - np.abs(x)) / 0.07, 0, 1)
    cut = 0.008 + 0.8 * np.maximum(np.abs(x) - 0.07, 0) - (0.040 + identity.top.neck_m) * throat
    return np.asarray(cut - z, np.float32)


def _tights(figure: Figure, material: int) -> Surface:
    """The tights with twice the detail, rounded."""
    tights = figure.surface(triangles_of(figure.mesh.quads["helper-tights"]), material).compact().subdivided()
    fabric = smoothed(tights.fabric, tights.triangles, 12)
    return replace(tights, rest=smoothed(tights.rest, tights.triangles, 3), fabric=fabric)


def _grown(surface: Surface, amount: NDArray[np.floating[Any]], rounds: int) -> Surface:
    """Pushed outward by `amount` m [V], after smoothing away what cloth does not show."""
    calm = smoothed(surface.rest, surface.triangles, rounds)
    normals = vertex_normals(calm, surface.triangles)
    inward = np.minimum(((calm - surface.rest) * normals).sum(1), 0)
    return surface.moved((calm + (amount - inward)[:, None] * normals).astype(np.float32))


def shirt(figure: Figure, identity: Identity) -> Surface:
    """The top, from the tights above the hips; it hangs a little over the waistband."""
    top, tights = identity.top, _tights(figure, TOP)
    arm = _along(figure, _ARM, tights.rest, tights.weights)
    low = np.clip((figure.joints["spine02"][2] - tights.rest[:, 2]) / 0.25, 0, 1) * (arm < 0.05)
    snug = np.clip(_neckline(figure, identity, tights.rest) / 0.10, 0, 1)
    amount = 0.004 + top.looseness_m * (1 + 0.6 * low) * snug
    shirt = _grown(tights, amount, 14)
    arm = _along(figure, _ARM, shirt.rest, shirt.weights)
    hem = np.where(arm > 0.05, 1.0, shirt.rest[:, 2] - (figure.joints["upperleg01.L"][2] + 0.01))
    neck = np.where(arm > 0.3, 1.0, _neckline(figure, identity, shirt.rest))
    return shirt.clipped(np.minimum(np.minimum(hem, neck), (top.sleeve - arm) * 0.28))


def bottom(figure: Figure, identity: Identity) -> list[Surface]:
    """Trousers or shorts from the tights; or a skirt over tight shorts of its cloth, which hide a thigh that comes through."""
    garment = identity.bottom
    trousers = garment.kind == "trousers"
    tights = _tights(figure, BOTTOM)
    leg = _along(figure, _LEG, tights.rest, tights.weights)
    loose = garment.looseness_m if trousers else 0.0
    grown = _grown(tights, 0.005 + loose * np.clip(leg, 0, 1.6), 10)
    leg = _along(figure, _LEG, grown.rest, grown.weights)
    arm = _along(figure, _ARM, grown.rest, grown.weights)
    length = garment.length if trousers else _UNDER_SKIRT * garment.length
    height = np.minimum(figure.joints["spine04"][2] - grown.rest[:, 2], (length - leg) * 0.4)
    parts = [grown.clipped(np.where(arm > 0.05, -1.0, height))]
    if not trousers:
        skirt = figure.surface(triangles_of(figure.mesh.quads["helper-skirt"]), BOTTOM).compact()
        hip, knee = figure.joints["upperleg01.L"][2], figure.joints["lowerleg01.L"][2]
        parts.append(skirt.clipped(skirt.rest[:, 2] - (hip + (knee - hip) * garment.length)))
    return parts


def shoes(figure: Figure) -> Surface:
    """Trainers: the feet of the tights, thickened, with a flat sole under the bare foot."""
    shoe = _grown(_tights(figure, SHOE), np.array(0.010), 3)
    leg = _along(figure, _LEG, shoe.rest, shoe.weights)
    arm = _along(figure, _ARM, shoe.rest, shoe.weights)
    shoe = shoe.clipped(np.where(arm > 0.05, -1.0, (leg - 1.90) * 0.4))
    rest = shoe.rest.copy()
    ground = figure.floor_m - 0.014
    rest[:, 2] = np.where(rest[:, 2] < ground + 0.030, ground + np.maximum(rest[:, 2] - ground - 0.018, 0), rest[:, 2])
    return shoe.moved(rest)


def covered_body(figure: Figure, identity: Identity) -> Surface:
    """The skin: drawn in where cloth lies over it, and left out where nothing of it can be seen."""
    arm = _along(figure, _ARM, figure.rest, figure.rig.weights)
    leg = _along(figure, _LEG, figure.rest, figure.rig.weights)
    length = identity.bottom.length * (1 if identity.bottom.kind == "trousers" else _UNDER_SKIRT)
    neck = np.where(arm > 0.3, 1.0, _neckline(figure, identity, figure.rest) * 6)
    under_top = np.minimum(neck, identity.top.sleeve - arm)
    depth = np.where(leg > 0, np.maximum(length - leg, leg - 1.92), under_top)
    triangles = triangles_of(figure.mesh.quads["body"])
    normals = vertex_normals(figure.rest, triangles)
    drawn_in = figure.rest - normals * (0.012 * np.clip(depth / 0.08, 0, 1))[:, None]
    seen = (depth[triangles] < _HEM_MARGIN).any(1)
    return figure.surface(triangles[seen], SKIN).moved(drawn_in.astype(np.float32)).compact()


def face_parts(figure: Figure) -> list[Surface]:
    """Eyes, upper lashes, teeth and tongue, all from the helpers."""
    groups = [
        (("helper-l-eye", "helper-r-eye"), EYE),
        (("helper-l-eyelashes-2", "helper-r-eyelashes-2"), LASH),
        (("helper-upper-teeth", "helper-lower-teeth"), TEETH),
    ]
    return [
        figure.surface(np.concatenate([triangles_of(figure.mesh.quads[name]) for name in names]), material).compact()
        for names, material in groups
    ]


_HAIR_THICKNESS_M: Final = {"short": 0.010, "bun": 0.012, "ponytail": 0.010, "long": 0.020, "afro": 0.070, "bob": 0.022}


def hair(figure: Figure, identity: Identity) -> list[Surface]:
    """A shell over the scalp, thicker away from the hairline, and what the style adds to it."""
    eye = figure.joints["eye.L"]
    body = triangles_of(figure.mesh.quads["body"])
    height = _hairline(figure)
    shell = figure.surface(body[(height[body] > -0.03).all(1)], HAIR).compact()
    used = np.unique(body[(height[body] > -0.03).all(1)])
    thick = _HAIR_THICKNESS_M[identity.hair_style]
    taper = np.clip(height[used] / (0.035 if thick < 0.05 else 0.08), 0, 1) ** 0.6
    shell = replace(shell, actions=shell.actions * 0)
    parts = [_grown(shell, 0.002 + thick * taper, 4).clipped(height[used])]
    back = figure.rest[(figure.rest[:, 2] > eye[2]) & (np.abs(figure.rest[:, 0]) < 0.1), 1].max()
    centre = np.array([0, back, eye[2]], np.float32)
    match identity.hair_style:
        case "bun":
            parts.append(_attached(figure, centre + _place(0, -0.005, 0.085), (0.042, 0.042, 0.038)))
        case "ponytail":
            parts.append(_attached(figure, centre + _place(0, 0.020, 0.050), (0.022, 0.030, 0.022)))
            parts.append(_attached(figure, centre + _place(0, 0.045, -0.040), (0.030, 0.032, 0.110)))
        case "bob" | "long":
            parts.append(_curtain(figure, identity.hair_style))
        case _:
            pass
    return parts


def _hairline(figure: Figure) -> Array:
    """Positive on the scalp [V]: above a line from the brow over the temple, in front of the ear, and round to the nape."""
    eye = figure.joints["eye.L"]
    x, y, z = (figure.rest - [0, eye[1], eye[2]]).T
    line = np.interp(
        y,
        [-0.02, 0.02, 0.045, 0.058, 0.068, 0.080, 0.100, 0.125, 0.16],
        [0.060, 0.046, 0.026, -0.004, -0.012, 0.022, 0.008, -0.055, -0.070],
    )
    line = line - 0.010 * np.exp(-((np.abs(x) - 0.055) ** 2) / 0.0003) * (y < 0.03)
    skull = np.abs(figure.rest[figure.rest[:, 2] > eye[2] + 0.04, 0]).max()
    ear = np.where((y > 0.070) & (y < 0.15) & (z < 0.03), skull + 0.002 - np.abs(x), 1.0)
    height = np.minimum(z - line, ear)
    return np.where(figure.rest[:, 2] > figure.joints["neck03"][2] - 0.05, height, -1.0).astype(np.float32)


def _place(*xyz: float) -> Array:
    return np.array(xyz, np.float32)


def _attached(figure: Figure, centre: Array, radii: tuple[float, float, float]) -> Surface:
    """An ellipsoid of hair that follows the head."""
    vertices, triangles = ellipsoid(centre, np.array(radii, np.float32))
    return _head_surface(figure, vertices, triangles)


def _head_surface(figure: Figure, vertices: Array, triangles: Triangles) -> Surface:
    count = len(vertices)
    weights = np.zeros((count, len(figure.rig.names)), np.float32)
    weights[:, figure.rig.names.index("head")] = 1
    actions = np.zeros((count, *figure.actions.shape[1:]), np.float32)
    kinds = np.full(len(triangles), HAIR, np.int32)
    return Surface(vertices, vertices.copy(), np.zeros(count, np.float32), weights, actions, triangles, kinds)


def _curtain(figure: Figure, style: str) -> Surface:
    """Hair that falls round the back and the sides of the head, open at the face."""
    eye = figure.joints["eye.L"]
    skull = figure.rest[(figure.rest[:, 2] > eye[2] + 0.02)]
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
    surface = _head_surface(figure, vertices, triangles_of(quads))
    opening = vertices[:, 1] - (eye[1] + np.interp(vertices[:, 2] - eye[2], [-0.12, -0.02, 0.06], [0.035, 0.040, 0.020]))
    return surface.clipped(opening.astype(np.float32))
