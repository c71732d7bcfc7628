# ruff: noqa: C408, E501 - a person is a small table
"""The six identities of the studio, who differ in body shape, skin, hair, face and clothes.

Colors are linear-looking RGB in [0,1]; lengths along a limb run from 0 (shoulder, hip) over 1 (elbow, knee) to 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

RGB = tuple[float, float, float]
Pattern = Literal["plain", "stripes", "checks", "logo", "denim"]
HairStyle = Literal["short", "bun", "ponytail", "long", "afro", "bob"]


@dataclass(frozen=True)
class Cloth:
    """A fabric: pattern of two colors; `scale_m` is the period of the pattern, or the radius of the logo."""

    pattern: Pattern
    first: RGB
    second: RGB = (0.0, 0.0, 0.0)
    scale_m: float = 0.06


@dataclass(frozen=True)
class Top:
    """A shirt: the sleeve ends at `sleeve` along the arm; the neckline is `neck_m` lower than a crew neck."""

    cloth: Cloth
    sleeve: float
    neck_m: float = 0.0
    looseness_m: float = 0.012


@dataclass(frozen=True)
class Bottom:
    """Trousers, shorts or a skirt that ends at `length` along the leg."""

    cloth: Cloth
    length: float
    kind: Literal["trousers", "skirt"] = "trousers"
    looseness_m: float = 0.010


@dataclass(frozen=True)
class Identity:
    """One dancer: `phenotype` as in `anny_assets.phenotype_offsets`; the other fields are materials and clothes."""

    name: str
    phenotype: Mapping[str, float]
    skin: RGB
    lips: RGB
    iris: RGB
    hair_style: HairStyle
    hair: RGB
    top: Top
    bottom: Bottom
    shoe: RGB
    sole: RGB = (0.92, 0.92, 0.90)
    face: Mapping[str, float] = field(default_factory=dict)
    """Facial actions that are part of the resting face."""


_PEOPLE: Final = (
    Identity(
        "ada",
        dict(gender=0.95, age=0.62, muscle=0.62, weight=0.42, height=0.55, proportions=0.9, african=0.1, asian=0.1, caucasian=0.8),
        skin=(0.87, 0.66, 0.55), lips=(0.72, 0.30, 0.30), iris=(0.25, 0.42, 0.40),
        hair_style="ponytail", hair=(0.42, 0.19, 0.09),
        top=Top(Cloth("stripes", (0.90, 0.88, 0.84), (0.16, 0.25, 0.52), 0.075), sleeve=0.42, neck_m=0.02),
        bottom=Bottom(Cloth("denim", (0.15, 0.19, 0.30), (0.24, 0.30, 0.44)), length=1.84),
        shoe=(0.86, 0.24, 0.20),
    ),
    Identity(
        "ben",
        dict(gender=0.05, age=0.63, muscle=0.72, weight=0.52, height=0.38, proportions=0.85, african=0.9, asian=0.05, caucasian=0.05),
        skin=(0.42, 0.27, 0.19), lips=(0.42, 0.21, 0.18), iris=(0.16, 0.09, 0.05),
        hair_style="short", hair=(0.06, 0.05, 0.05),
        top=Top(Cloth("logo", (0.93, 0.70, 0.16), (0.16, 0.13, 0.12), 0.085), sleeve=0.55, looseness_m=0.018),
        bottom=Bottom(Cloth("plain", (0.20, 0.21, 0.24)), length=1.02, looseness_m=0.022),
        shoe=(0.90, 0.90, 0.90), sole=(0.15, 0.15, 0.17),
    ),
    Identity(
        "chi",
        dict(gender=0.9, age=0.64, muscle=0.5, weight=0.38, height=0.42, proportions=0.75, african=0.05, asian=0.9, caucasian=0.05),
        skin=(0.90, 0.73, 0.60), lips=(0.74, 0.32, 0.33), iris=(0.13, 0.08, 0.05),
        hair_style="bob", hair=(0.07, 0.06, 0.07),
        top=Top(Cloth("plain", (0.13, 0.50, 0.46)), sleeve=1.86, neck_m=0.01),
        bottom=Bottom(Cloth("checks", (0.70, 0.20, 0.22), (0.22, 0.10, 0.14), 0.07), length=0.86, kind="skirt"),
        shoe=(0.14, 0.14, 0.16), sole=(0.75, 0.72, 0.68),
    ),
    Identity(
        "dov",
        dict(gender=0.08, age=0.72, muscle=0.5, weight=0.78, height=0.45, proportions=0.5, african=0.1, asian=0.2, caucasian=0.7),
        skin=(0.84, 0.62, 0.50), lips=(0.66, 0.36, 0.33), iris=(0.28, 0.38, 0.50),
        hair_style="short", hair=(0.55, 0.50, 0.45),
        top=Top(Cloth("checks", (0.68, 0.22, 0.20), (0.16, 0.16, 0.18), 0.08), sleeve=1.80, looseness_m=0.016),
        bottom=Bottom(Cloth("plain", (0.62, 0.55, 0.42)), length=1.86, looseness_m=0.016),
        shoe=(0.34, 0.20, 0.12), sole=(0.20, 0.16, 0.13),
    ),
    Identity(
        "eve",
        dict(gender=0.92, age=0.6, muscle=0.6, weight=0.62, height=0.50, proportions=0.8, african=0.85, asian=0.05, caucasian=0.1),
        skin=(0.55, 0.36, 0.26), lips=(0.58, 0.23, 0.25), iris=(0.18, 0.10, 0.06),
        hair_style="afro", hair=(0.09, 0.06, 0.05),
        top=Top(Cloth("plain", (0.90, 0.42, 0.30)), sleeve=0.12, neck_m=0.03),
        bottom=Bottom(Cloth("plain", (0.30, 0.18, 0.42)), length=1.80, looseness_m=0.005),
        shoe=(0.95, 0.93, 0.88), sole=(0.90, 0.42, 0.30),
    ),
    Identity(
        "fin",
        dict(gender=0.1, age=0.58, muscle=0.55, weight=0.36, height=0.62, proportions=0.9, african=0.2, asian=0.3, caucasian=0.5),
        skin=(0.80, 0.58, 0.44), lips=(0.62, 0.33, 0.30), iris=(0.20, 0.30, 0.16),
        hair_style="bun", hair=(0.72, 0.55, 0.30),
        top=Top(Cloth("stripes", (0.14, 0.14, 0.16), (0.55, 0.12, 0.16), 0.11), sleeve=0.95, looseness_m=0.016),
        bottom=Bottom(Cloth("denim", (0.44, 0.52, 0.62), (0.54, 0.61, 0.70)), length=1.78, looseness_m=0.014),
        shoe=(0.18, 0.18, 0.20), sole=(0.95, 0.95, 0.93),
    ),
)  # fmt: skip

IDENTITIES: Final[dict[str, Identity]] = {person.name: person for person in _PEOPLE}
