"""Rotation algebra on leading dimensions [*B]: matrices, quaternions (w,x,y,z) and frames from two directions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def unit(vector: NDArray[Any]) -> Array:
    """Scale [*B,n] to length 1."""
    scaled: Array = vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
    return scaled


def about(axis: NDArray[Any], angle_rad: NDArray[Any] | float) -> Array:
    """Return the rotation [*B,3,3] about a unit axis [*B,3] (Rodrigues)."""
    axis, angle = np.broadcast_arrays(np.asarray(axis, float), np.asarray(angle_rad, float)[..., None])
    x, y, z = np.moveaxis(axis, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    sine, cosine = np.sin(angle[..., :1, None]), np.cos(angle[..., :1, None])
    rotation: Array = np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)
    return rotation


def euler_zxy(yaw_rad: Array, pitch_rad: Array, roll_rad: Array) -> Array:
    """Rotate about z, then about the rotated x, then about the rotated y."""
    x, y, z = np.eye(3)
    rotation: Array = about(z, yaw_rad) @ about(x, pitch_rad) @ about(y, roll_rad)
    return rotation


def frame(first: NDArray[Any], second: NDArray[Any]) -> Array:
    """Return the orthonormal frame [*B,3,3] whose first column is `first` and whose second points toward `second`."""
    a = unit(first)
    b = unit(second - (second * a).sum(-1, keepdims=True) * a)
    columns: Array = np.stack([a, b, np.cross(a, b)], -1)
    return columns


def swing(start: NDArray[Any], end: NDArray[Any]) -> Array:
    """Return the shortest rotation [*B,3,3] from direction `start` to direction `end`."""
    a, b = np.broadcast_arrays(unit(start), unit(end))
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis, axis=-1), (a * b).sum(-1)
    fallback = unit(np.cross(a, np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])))
    axis = np.where(sine[..., None] > 1e-8, axis / np.maximum(sine, 1e-12)[..., None], fallback)
    return about(axis, np.arctan2(sine, cosine))


def to_quaternion(rotation: Array) -> Array:
    """Convert [*B,3,3] to [*B,4], by the numerically largest of the four components."""
    r = rotation
    trace = np.trace(r, axis1=-2, axis2=-1)
    squares = np.stack([1 + trace, *(1 - trace + 2 * r[..., i, i] for i in range(3))], -1) / 4
    rows = [
        [
            squares[..., 0],
            (r[..., 2, 1] - r[..., 1, 2]) / 4,
            (r[..., 0, 2] - r[..., 2, 0]) / 4,
            (r[..., 1, 0] - r[..., 0, 1]) / 4,
        ],
        [
            (r[..., 2, 1] - r[..., 1, 2]) / 4,
            squares[..., 1],
            (r[..., 0, 1] + r[..., 1, 0]) / 4,
            (r[..., 0, 2] + r[..., 2, 0]) / 4,
        ],
        [
            (r[..., 0, 2] - r[..., 2, 0]) / 4,
            (r[..., 0, 1] + r[..., 1, 0]) / 4,
            squares[..., 2],
            (r[..., 1, 2] + r[..., 2, 1]) / 4,
        ],
        [
            (r[..., 1, 0] - r[..., 0, 1]) / 4,
            (r[..., 0, 2] + r[..., 2, 0]) / 4,
            (r[..., 1, 2] + r[..., 2, 1]) / 4,
            squares[..., 3],
        ],
    ]
    table = np.stack([np.stack(row, -1) for row in rows], -2)
    best = squares.argmax(-1)
    return unit(np.take_along_axis(table, best[..., None, None], -2)[..., 0, :])


def from_quaternion(quaternion: Array) -> Array:
    """Convert [*B,4] of any length to [*B,3,3]."""
    w, x, y, z = np.moveaxis(unit(quaternion), -1, 0)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(entries, -1).reshape(*w.shape, 3, 3)


def continuous(quaternions: Array) -> Array:
    """Choose the signs of [T,4] so that neighbors are in one hemisphere."""
    signs = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.concatenate([[1.0], np.where(signs == 0, 1, signs)]))
    return quaternions * signs[:, None]


def between(a: Array, b: Array, fraction: float) -> Array:
    """Return the rotation [*B,3,3] at `fraction` of the way from a to b."""
    qa, qb = to_quaternion(a), to_quaternion(b)
    qb = np.where((qa * qb).sum(-1, keepdims=True) < 0, -qb, qb)
    return from_quaternion((1 - fraction) * qa + fraction * qb)
