"""Skinned surfaces and the operations that make clothes from them: join, clip, offset, smooth.

Every vertex attribute (position, fabric coordinates, skinning weights, facial offsets) is linear on a triangle, so clipping
interpolates one stacked attribute table, with marching triangles on a per-vertex scalar.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Triangles = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of one or several materials in the rest pose.

    rest: float32 [V,3] m. fabric: float32 [V,3] m, coordinates for patterns (the rest position with straightened sleeves).
    paint: float32 [V], lips on skin. weights: float32 [V,J]. actions: float32 [V,A,3] m at full facial action.
    triangles: int32 [F,3]. material: int32 [F].
    """

    rest: Array
    fabric: Array
    paint: Array
    weights: Array
    actions: Array
    triangles: Triangles
    material: NDArray[np.int32]

    def _table(self) -> Array:
        count = len(self.rest)
        parts = [self.rest, self.fabric, self.paint[:, None], self.weights, self.actions.reshape(count, -1)]
        return np.concatenate(parts, axis=1)

    def _with_table(self, table: Array, triangles: Triangles, material: NDArray[np.int32]) -> "Surface":
        bones = self.weights.shape[1]
        actions = np.ascontiguousarray(table[:, 7 + bones :].reshape(len(table), -1, 3))
        return Surface(table[:, :3], table[:, 3:6], table[:, 6], table[:, 7 : 7 + bones], actions, triangles, material)

    def moved(self, rest: Array) -> "Surface":
        """Return the surface with other rest positions and unchanged fabric coordinates."""
        return Surface(rest, self.fabric, self.paint, self.weights, self.actions, self.triangles, self.material)

    def compact(self) -> "Surface":
        """Return the surface without unused vertices."""
        used, inverse = np.unique(self.triangles, return_inverse=True)
        return self._with_table(self._table()[used], inverse.reshape(-1, 3).astype(np.int32), self.material)

    def subdivided(self) -> "Surface":
        """Return the surface with every triangle split into four at the edge midpoints."""
        t = self.triangles
        edges = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
        pairs, inverse = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = (inverse.reshape(3, -1) + len(self.rest)).astype(np.int32)
        a, b, c = t.T
        faces = [np.stack(f, 1) for f in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        table = self._table()
        table = np.concatenate([table, table[pairs].mean(1)])
        return self._with_table(table, np.concatenate(faces), np.tile(self.material, 4))

    def clipped(self, height: NDArray[np.floating[Any]]) -> "Surface":
        """Return the part where the vertex scalar `height` [V] is positive; triangles are cut along its zero line."""
        inside = height > 0
        count = inside[self.triangles].sum(1)
        whole, cut = self.triangles[count == 3], self.triangles[(count == 1) | (count == 2)]
        kinds = [self.material[count == 3]]
        cut_material, cut_count = self.material[(count == 1) | (count == 2)], count[(count == 1) | (count == 2)]
        lone = np.where((cut_count == 1)[:, None], inside[cut], ~inside[cut]).argmax(1)
        order = (lone[:, None] + np.arange(3)) % 3
        a, b, c = np.take_along_axis(cut, order, 1).T
        table = self._table()

        def crossing(i: NDArray[np.int32], j: NDArray[np.int32]) -> Array:
            fraction = (height[i] / (height[i] - height[j]))[:, None].astype(np.float32)
            return table[i] * (1 - fraction) + table[j] * fraction

        start, n = len(table), len(cut)
        ab, ac = start + np.arange(n), start + n + np.arange(n)
        tip, stump = cut_count == 1, cut_count == 2
        faces = [
            whole,
            np.stack([a, ab, ac], 1)[tip],
            np.stack([ab, b, c], 1)[stump],
            np.stack([ab, c, ac], 1)[stump],
        ]
        kinds += [cut_material[tip], cut_material[stump], cut_material[stump]]
        table = np.concatenate([table, crossing(a, b), crossing(a, c)])
        triangles = np.concatenate(faces).astype(np.int32)
        return self._with_table(table, triangles, np.concatenate(kinds)).compact()


def join(surfaces: list[Surface]) -> Surface:
    """Join surfaces into one; vertices are not welded."""
    starts = np.cumsum([0, *(len(s.rest) for s in surfaces[:-1])])
    triangles = np.concatenate([s.triangles + start for s, start in zip(surfaces, starts, strict=True)])
    material = np.concatenate([s.material for s in surfaces])
    return surfaces[0]._with_table(
        np.concatenate([s._table() for s in surfaces]), triangles.astype(np.int32), material.astype(np.int32)
    )


def triangles_of(quads: NDArray[np.int32]) -> Triangles:
    """Split quads [F,4] into triangles [F',3]; a repeated last corner marks a triangle."""
    second = quads[:, [0, 2, 3]][quads[:, 2] != quads[:, 3]]
    return np.concatenate([quads[:, :3], second]).astype(np.int32)


def vertex_normals(vertices: Array, triangles: Triangles) -> Array:
    """Return unit normals float32 [V,3], with triangles weighted by area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.stack([np.bincount(triangles.ravel(), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)], 1)
    normals: Array = (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return normals


def smoothed(vertices: Array, triangles: Triangles, rounds: int, strength: float = 0.5) -> Array:
    """Apply Laplacian smoothing; the boundary of the surface stays fixed."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    valence = np.maximum(np.bincount(both[:, 0], minlength=len(vertices)), 1)[:, None]
    key = np.sort(edges, 1)
    pairs, seen = np.unique(key, axis=0, return_counts=True)
    free = np.ones(len(vertices), bool)
    free[pairs[seen == 1].ravel()] = False
    for _ in range(rounds):
        near = vertices[both[:, 1]]
        total = np.stack([np.bincount(both[:, 0], near[:, k], len(vertices)) for k in range(3)], 1)
        mean = total / valence
        vertices = np.where(free[:, None], vertices + strength * (mean - vertices), vertices).astype(np.float32)
    return vertices


def ellipsoid(center: Array, radii: Array, rings: int = 20, sectors: int = 32) -> tuple[Array, Triangles]:
    """Return vertices and triangles of an ellipsoid with axes along x, y, z."""
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, sectors, endpoint=False), indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings), np.arange(sectors), indexing="ij")
    a, b = i * sectors + j, i * sectors + (j + 1) % sectors
    quads = np.stack([a, a + sectors, b + sectors, b], -1).reshape(-1, 4).astype(np.int32)
    return (center + unit * radii).astype(np.float32), triangles_of(quads)
