"""Dancers, dances and rooms that nobody wrote: drawn at random, the same ones from the same seed.

What is learnt over many people is learnt from these; the studio's six people, their dances and their cameras stay out of it, so
that they can be a test.
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
    """A grown-up's or teenager's build, see `anny_data.phenotype_offsets`."""
    ranges = {
        "age": (0.5, 0.75),
        "muscle": (0.3, 0.75),
        "weight": (0.3, 0.78),
        "height": (0.15, 0.85),
        "proportions": (0.4, 0.9),
    }
    drawn = {name: float(rng.uniform(*each)) for name, each in ranges.items()}
    origin = rng.dirichlet([0.5, 0.5, 0.5])
    origins = dict(zip(("african", "asian", "caucasian"), (float(share) for share in origin), strict=True))
    gender = float(rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.8, 0.98)]))
    return {"gender": gender, **drawn, **origins}


def random_identity(name: str, rng: Rng) -> Identity:
    """A person in clothes; skin goes with nothing, so that nothing is learnt to go with skin."""
    shade = rng.uniform(0, 1)
    skin = _rgb(_PALE * (1 - shade) + _DARK * shade + rng.normal(0, 0.02, 3))
    lips = _rgb(np.array(skin) * [0.85, 0.52, 0.55])
    hair = _rgb(
        rng.choice([rng.uniform(0.05, 0.12), rng.uniform(0.2, 0.75)])
        * np.array([1.0, rng.uniform(0.55, 0.9), rng.uniform(0.3, 0.8)])
    )
    sleeve = float(rng.choice([rng.uniform(0.1, 0.6), rng.uniform(0.85, 1.1), rng.uniform(1.7, 1.88)]))
    top = Top(_cloth(_TOPS, rng), sleeve, neck_m=float(rng.uniform(0, 0.03)), looseness_m=float(rng.uniform(0.004, 0.02)))
    return Identity(
        name, random_phenotype(rng), skin, lips, _rgb(rng.uniform(0.05, 0.5, 3)), _HAIR[int(rng.integers(len(_HAIR)))], hair,
        top, _bottom(rng), shoe=_colour(rng), sole=_colour(rng),
    )  # fmt: skip


def _bottom(rng: Rng) -> Bottom:
    cloth = _cloth(_BOTTOMS, rng)
    if rng.random() < 0.2:
        return Bottom(cloth, float(rng.uniform(0.6, 0.95)), kind="skirt")
    length = float(rng.choice([rng.uniform(0.5, 1.1), rng.uniform(1.75, 1.88)]))
    return Bottom(cloth, length, looseness_m=float(rng.uniform(0.002, 0.02)))


def _cloth(patterns: Sequence[Pattern], rng: Rng) -> Cloth:
    pattern = patterns[int(rng.integers(len(patterns)))]
    return Cloth(pattern, _colour(rng), _colour(rng), _PERIOD_M[pattern] * float(rng.uniform(0.7, 1.5)))


def _colour(rng: Rng) -> RGB:
    """Anything from black over colours to white."""
    grey = rng.uniform(0.05, 0.95)
    return _rgb(grey + (rng.uniform(0.03, 0.95, 3) - grey) * rng.uniform(0, 1))


def _rgb(values: Any) -> RGB:
    red, green, blue = (float(v) for v in np.clip(values, 0.03, 0.97))
    return red, green, blue


def random_dance(name: str, beats: int, rng: Rng) -> Choreography:
    """Every beat another pose: arms, trunk, a weight shift, and now and then a step, a kick, a crouch or a turn."""
    steps: list[Mapping[str, Any]] = []
    facing, at = 0.0, np.zeros(2)
    for beat in range(beats):
        step: dict[str, Any] = {"beat": beat, "mood": str(rng.choice(list(MOODS)))}
        left, right = rng.choice(list(ARMS), 2)
        step |= {"left": str(left), "right": str(left if rng.random() < 0.3 else right)}
        facing = _turned(facing, rng)
        at = np.clip(at + rng.normal(0, 0.08, 2), -0.3, 0.3)
        step |= {"facing": facing, "at": (float(at[0]), float(at[1]))}
        step |= {"chest": _triple(rng, 16, 9, 9), "head": _triple(rng, 22, 9, 6), "twist": _triple(rng, 8, 6, 4)}
        steps.append(step | _stance(rng))
    return Choreography(name, float(rng.uniform(85, 130)), beats, steps, bounce_m=float(rng.uniform(0.0, 0.03)))


def _turned(facing: float, rng: Rng) -> float:
    """Mostly towards the camera, for some beats to a side, at times the whole way round."""
    if rng.random() < 0.12:
        return facing + float(rng.choice([-90, 90, 180]))
    front = 360 * round(facing / 360)
    return float(rng.normal(front, 25)) if rng.random() < 0.5 else facing


def _stance(rng: Rng) -> dict[str, Any]:
    side, low = float(rng.normal(0, 0.06)), float(-0.03 - 0.14 * rng.random() ** 3)
    if rng.random() < 0.25:  # one leg in the air: to the front, the side or the knee up
        foot = (float(rng.uniform(0.08, 0.5)), float(rng.uniform(-0.15, 0.5)), float(rng.uniform(0.12, 0.5)), 5.0)
        standing = (float(rng.uniform(0.1, 0.16)), 0.0, 0.0, 8.0)
        left = rng.random() < 0.5
        lean = -0.08 if left else 0.08
        return {"lf": foot if left else standing, "rf": standing if left else foot, "hips": (lean, 0.0, -0.03)}
    feet = [(float(rng.uniform(0.08, 0.36)), float(rng.normal(0, 0.08)), 0.0, float(rng.uniform(0, 30))) for _ in range(2)]
    return {"lf": feet[0], "rf": feet[1], "hips": (side, float(rng.normal(0, 0.03)), low)}


def _triple(rng: Rng, turn: float, bend: float, tilt: float) -> tuple[float, float, float]:
    drawn = rng.normal(0, (turn, bend, tilt))
    return float(drawn[0]), float(drawn[1]), float(drawn[2])


def random_room(rng: Rng) -> Room:
    """One of the studio's rooms in another light, seen by another camera from 3.6 to 7 m."""
    room = list(ROOMS.values())[int(rng.integers(len(ROOMS)))]
    distance_m, height_m = float(rng.uniform(3.6, 7.0)), float(rng.uniform(0.7, 1.8))
    # The dancer fills about two thirds of the picture's height, wherever the camera stands.
    focal = float(rng.uniform(0.62, 0.78)) * distance_m / 1.75
    camera = Camera((float(rng.normal(0, 0.4)), -distance_m, height_m), (0.0, 0.0, float(rng.uniform(0.9, 1.05))), focal)
    light = (float(rng.uniform(-0.8, 0.8)), float(rng.uniform(-0.9, 0.1)), 1.0)
    warmth, power = rng.uniform(-0.06, 0.06), rng.uniform(0.85, 1.15)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    key, sky, ground = (
        _rgb(np.array(each) * tint * share) for each, share in ((room.key, power), (room.sky, 2 - power), (room.ground, 1.0))
    )
    shadow = float(rng.uniform(0.25, 0.55))
    return replace(room, camera=camera, light=light, key=key, sky=sky, ground=ground, shadow=shadow)
