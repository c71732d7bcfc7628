"""Body segments: distribute the world rotations of pelvis, chest, head and limbs over all bones of the rig."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dancenow.research.studio import rotations as rot
from dancenow.research.studio.body import Body

Array = NDArray[np.float64]

SIDES: Final = (".L", ".R")


def expand_to_bones(body: Body, world: dict[str, Array], curl: Array) -> Array:
    """Distribute the segment rotations to all bones [T,J,3,3]; curl [T,2]: how far the fingers close, left, right."""
    spine = {
        f"spine0{6 - i}": rot.between(world["pelvis"], world["chest"], fraction)
        for i, fraction in enumerate((0.1, 0.3, 0.6, 0.85, 1.0), 1)
    }
    neck = {f"neck0{i}": rot.between(world["chest"], world["head"], i / 4) for i in (1, 2, 3)}
    result = np.empty((len(curl), len(body.names), 3, 3))
    for j, name in enumerate(body.names):
        side = name[-2:] if name.endswith(SIDES) else ""
        stem = name.removesuffix(side)
        if stem in ("root", "pelvis"):
            result[:, j] = world["pelvis"]
        elif stem in spine:
            result[:, j] = spine[stem]
        elif stem == "breast":
            result[:, j] = spine["spine02"]
        elif stem in ("clavicle", "shoulder01"):
            result[:, j] = world["collar" + side]
        elif stem.startswith(("upperleg", "lowerleg", "toe")):
            result[:, j] = world[stem.rstrip("0123456789-") + side]
        elif stem + side in world:
            result[:, j] = world[stem + side]
        elif stem.startswith(("wrist", "metacarpal", "finger")):
            result[:, j] = world["hand" + side] @ _finger(body, stem, side, curl[:, 0 if side == ".L" else 1])
        else:
            result[:, j] = neck.get(stem, world["head"])
    return result


def _finger(body: Body, stem: str, side: str, curl: Array) -> Array:
    """Return the rotation of a finger bone relative to the hand [T,3,3]: joints bend more along the finger, the thumb less."""
    if not stem.startswith("finger"):
        return np.broadcast_to(np.eye(3), (len(curl), 3, 3))
    finger, joint = int(stem[6]), int(stem[8])
    wrist, index, little = (body.joint(name + side) for name in ("wrist", "finger2-1", "finger5-1"))
    sign = 1.0 if side == ".L" else -1.0
    axis = rot.unit(np.asarray(little - index, float))
    if finger == 1:
        axis, amount = rot.unit(np.cross(index - wrist, little - index) * sign), 0.35
        axis = rot.unit(0.5 * axis + 0.5 * rot.unit(np.asarray(index - wrist, float)))
    else:
        amount = (0.75, 0.95, 0.6)[joint - 1] * (0.85 + 0.05 * finger)
    total = {1: 1.0, 2: 2.0, 3: 2.8}[joint] if finger != 1 else joint
    return rot.about(axis, -sign * amount * total * curl)
