"""Random identities, dances and rooms, reproducible from a seed.

Models for many people are trained on these. The six identities of the studio, their dances and cameras are not part of it, so
that they can serve as a test set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from dancenow.research.studio.choreography import ARMS, MOODS, Choreography
from dancenow.research.studio.identity import RGB, Bottom, Cloth, HairStyle, Identity, Pattern, Top
from dancenow.research.studio.scene import ROOMS, Camera, Room

Rng = np.random.Generator

_HAIR: Final[tuple[HairStyle, ...]] = ("short", "bun", "ponytail", "long", "afro", "bob")
_TOPS: Final[tuple[Pattern, ...]] = ("plain", "plain", "stripes", "stripes", "checks", "logo")
_BOTTOMS: Final[tuple[Pattern, ...]] = ("plain", "plain", "denim", "checks", "stripes")
_PALE, _DARK = np.array([0.95, 0.78, 0.68]), np.array([0.27, 0.16, 0.11])
_PERIOD_M: Final = {"plain": 0.06, "stripes": 0.09, "checks": 0.08, "logo": 0.085, "denim": 0.06}


def random_phenotype(rng: Rng) -> dict[str, float]:
    """Sample the body of an adult or teenager, see `anny_assets.phenotype_offsets`."""
    ranges = {
        "age": (0.5, 0.75),
        "muscle": (0.3, 0.75),
        "weight": (0.3, 0.78),
        "height": (0.15, 0.85),
        "proportions": (0.4, 0.9),
    }
    sampled = {name: float(rng.uniform(*each)) for name, each in ranges.items()}
    origin = rng.dirichlet([0.5, 0.5, 0.5])
    origins = dict(zip(("african", "asian", "caucasian"), (float(fraction) for fraction in origin), strict=True))
    gender = float(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.8, 0.98)]))
    return {"gender": gender, **sampled, **origins}


def random_identity(name: str, rng: Rng) -> Identity:
    """Sample a dressed person; skin color is independent of everything else, so that no correlation is learned."""
    darkness = rng.uniform(0, 1)
    skin = _rgb(_PALE * (1 - darkness) + _DARK * darkness + rng.normal(0, 0.02, 3))
    lips = _rgb(np.array(skin) * [0.85, 0.52, 0.55])
    hair = _rgb(
        rng.choice([rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.75)])
        * np.array([1.0, rng.uniform(0.55, 0.9), rng.uniform(0.3, 0.8)])
    )
    sleeve = float(rng.choice([rng.uniform(0.1, 0.6), rng.uniform(0.85, 1.1), rng.uniform(1.7, 1.88)]))
    top = Top(
        _sample_cloth(_TOPS, rng), sleeve, neck_m=float(rng.uniform(0, 0.03)), looseness_m=float(rng.uniform(0.004, 0.02))
    )
    return Identity(
        name, random_phenotype(rng), skin, lips, _rgb(rng.uniform(0.05, 0.5, 3)), _HAIR[int(rng.integers(len(_HAIR)))], hair,
        top, _sample_bottom(rng), shoe=_sample_color(rng), sole=_sample_color(rng),
    )  # fmt: skip


def _sample_bottom(rng: Rng) -> Bottom:
    cloth = _sample_cloth(_BOTTOMS, rng)
    if rng.random() < 0.2:
        return Bottom(cloth, float(rng.uniform(0.6, 0.95)), kind="skirt")
    length = float(rng.choice([rng.uniform(0.5, 1.1), rng.uniform(1.75, 1.88)]))
    return Bottom(cloth, length, looseness_m=float(rng.uniform(0.002, 0.02)))


def _sample_cloth(patterns: Sequence[Pattern], rng: Rng) -> Cloth:
    pattern = patterns[int(rng.integers(len(patterns)))]
    return Cloth(pattern, _sample_color(rng), _sample_color(rng), _PERIOD_M[pattern] * float(rng.uniform(0.7, 1.5)))


def _sample_color(rng: Rng) -> RGB:
    """Sample a color between gray and saturated, dark and bright."""
    gray = rng.uniform(0.05, 0.95)
    return _rgb(gray + (rng.uniform(0.03, 0.95, 3) - gray) * rng.uniform(0, 1))


def _rgb(values: Any) -> RGB:
    red, green, blue = (float(v) for v in np.clip(values, 0.03, 0.97))
    return red, green, blue


def random_dance(name: str, beats: int, rng: Rng) -> Choreography:
    """Sample a dance with a new pose every beat: arms, trunk, weight shift, and at times a step, kick, crouch or turn."""
    steps: list[Mapping[str, Any]] = []
    facing, at = 0.0, np.zeros(2)
    for beat in range(beats):
        step: dict[str, Any] = {"beat": beat, "mood": str(rng.choice(list(MOODS)))}
        left, right = rng.choice(list(ARMS), 2)
        step |= {"left": str(left), "right": str(left if rng.random() < 0.3 else right)}
        facing = _sample_facing(facing, rng)
        at = np.clip(at + rng.normal(0, 0.08, 2), -0.3, 0.3)
        step |= {"facing": facing, "at": (float(at[0]), float(at[1]))}
        step |= {
            "chest": _sample_angles(rng, 16, 9, 9),
            "head": _sample_angles(rng, 22, 9, 6),
            "twist": _sample_angles(rng, 8, 6, 4),
        }
        steps.append(step | _sample_stance(rng))
    return Choreography(name, float(rng.uniform(85, 130)), beats, steps, bounce_m=float(rng.uniform(0.0, 0.03)))


def _sample_facing(facing: float, rng: Rng) -> float:
    """Sample the heading: mostly toward the camera, for some beats to a side, sometimes a full turn."""
    if rng.random() < 0.12:
        return facing + float(rng.choice([-90, 90, 180]))
    front = 360 * round(facing / 360)
    return float(rng.normal(front, 25)) if rng.random() < 0.5 else facing


def _sample_stance(rng: Rng) -> dict[str, Any]:
    side, low = float(rng.normal(0, 0.06)), float(-0.03 - 0.14 * rng.random() ** 3)
    if rng.random() < 0.25:  # one leg lifted: to the front, to the side, or knee up
        foot = (float(rng.uniform(0.08, 0.5)), float(rng.uniform(-0.15, 0.5)), float(rng.uniform(0.12, 0.5)), 5.0)
        standing = (float(rng.uniform(0.1, 0.16)), 0.0, 0.0, 8.0)
        left = rng.random() < 0.5
        lean = -0.08 if left else 0.08
        return {"lf": foot if left else standing, "rf": standing if left else foot, "hips": (lean, 0.0, -0.03)}
    feet = [(float(rng.uniform(0.08, 0.36)), float(rng.normal(0, 0.08)), 0.0, float(rng.uniform(0, 30))) for _ in range(2)]
    return {"lf": feet[0], "rf": feet[1], "hips": (side, float(rng.normal(0, 0.03)), low)}


def _sample_angles(rng: Rng, turn: float, bend: float, tilt: float) -> tuple[float, float, float]:
    sampled = rng.normal(0, (turn, bend, tilt))
    return float(sampled[0]), float(sampled[1]), float(sampled[2])


def random_room(rng: Rng) -> Room:
    """Sample one of the rooms with other light and another camera at 3.6 to 7 m."""
    room = list(ROOMS.values())[int(rng.integers(len(ROOMS)))]
    distance_m, height_m = float(rng.uniform(3.6, 7.0)), float(rng.uniform(0.7, 1.8))
    # The dancer fills about two thirds of the image height at every camera distance.
    focal = float(rng.uniform(0.62, 0.78)) * distance_m / 1.75
    camera = Camera((float(rng.normal(0, 0.4)), -distance_m, height_m), (0.0, 0.0, float(rng.uniform(0.9, 1.05))), focal)
    light = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.9, 0.1)), 1.0)
    warmth, power = rng.uniform(-0.06, 0.06), rng.uniform(0.85, 1.15)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    key, sky, ground = (
        _rgb(np.array(each) * tint * fraction)
        for each, fraction in ((room.key, power), (room.sky, 2 - power), (room.ground, 1.0))
    )
    shadow = float(rng.uniform(0.25, 0.55))
    return replace(room, camera=camera, light=light, key=key, sky=sky, ground=ground, shadow=shadow)
