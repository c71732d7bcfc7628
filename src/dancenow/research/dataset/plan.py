"""What a rendered dataset holds before anything is rendered: who dances what where, decided by the seed and numbers alone.

Person, dance and room of a number are the same in a dataset of any size, so that a larger one goes on from a smaller one.
"""

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from dancenow.errors import InputError, OptionError
from dancenow.research.dataset.protocol import PARTS, Shares, parts_of
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.identity import Identity
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.scene import Room

RECIPE: Final = 1
"""Raise it when the same settings would give other clips: folders of an older recipe are then not gone on with."""
FASTEST_BPM: Final = 130
"""No random dance is faster: so many beats a minute are enough for dances that never begin anew within a clip."""
WIDER: Final = 0.8
TARGET_M: Final = 1.12
"""What the camera sees is this much wider than `random_room` has it, around this height: from below the floor to 2.4 m or
more."""
_PERSON, _DANCE, _ROOM, _GRAIN = range(4)
_LIMITS: Final = {"identities": (1, 9999), "dances": (1, 9999), "seconds": (0.5, 3600), "size": (64, 4096), "fps": (5, 120)}


@dataclass(frozen=True)
class DatasetConfig:
    """identities, dances: how many; everybody dances every dance. seconds: of each clip. size_px: side of the square picture.
    fps: as a fraction, "30000/1001". seed: of everything. shares: of train, val and test. crf: of x264, lower is better."""

    identities: int = 4
    dances: int = 3
    seconds: float = 10.0
    size_px: int = 512
    fps: str = "30"
    seed: int = 0
    shares: Shares = (0.6, 0.2, 0.2)
    crf: int = 18

    def __post_init__(self) -> None:
        try:
            fps = float(Fraction(self.fps))
        except (ValueError, ZeroDivisionError) as error:
            raise OptionError(f"cannot read the frame rate {self.fps!r}; write it as 30 or 30000/1001.") from error
        given = (self.identities, self.dances, self.seconds, self.size_px, fps)
        for (what, (low, high)), value in zip(_LIMITS.items(), given, strict=True):
            if not low <= value <= high:
                raise OptionError(f"{what} must lie between {low} and {high}, got {value:g}.")
        if self.size_px % 2:
            raise OptionError(f"size must be even, got {self.size_px}.")
        if self.seed < 0:
            raise OptionError(f"the seed must not be negative, got {self.seed}.")
        if self.num_frames < 2:
            raise InputError(
                f"clips of {self.seconds:g} s at {self.fps} frames a second have {self.num_frames} frames; take longer ones."
            )
        shares = self.shares
        if len(shares) != len(PARTS) or min(shares) < 0 or shares[0] <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise OptionError(f"the shares of train, val and test must add up to all, with some for train, got {shares}.")

    @property
    def num_frames(self) -> int:
        """Of each clip."""
        return round(float(Fraction(self.fps)) * self.seconds)

    @property
    def look(self) -> dict[str, Any]:
        """What decides how a clip looks, whatever else is in the dataset: JSON values."""
        others = ("identities", "dances", "shares")
        return {"recipe": RECIPE} | {name: value for name, value in asdict(self).items() if name not in others}


@dataclass(frozen=True)
class PlannedClip:
    """One clip by numbers. room: the number of the person whose room it is; two of a part share one."""

    identity: int
    dance: int
    room: int

    @property
    def key(self) -> str:
        """Its name in the dataset; without a dot, as shards need it."""
        return f"{identity_name(self.identity)}-{dance_name(self.dance)}"


def identity_name(number: int) -> str:
    """Of the person of that number."""
    return f"id{number:04d}"


def dance_name(number: int) -> str:
    """Of the dance of that number."""
    return f"dance{number:04d}"


def room_name(number: int) -> str:
    """Of the room that was made for the person of that number."""
    return f"room{number:04d}"


def planned(config: DatasetConfig) -> list[PlannedClip]:
    """Every clip, person by person."""
    rooms = rooms_of(config)
    return [PlannedClip(person, dance, rooms[person]) for person in range(config.identities) for dance in range(config.dances)]


def rooms_of(config: DatasetConfig) -> list[int]:
    """The number of everybody's room: two people of one part dance in the same, so that some pairs differ in the body alone,
    and no room is seen in two parts."""
    rooms: list[int] = []
    waiting: dict[str, int] = {}
    for person, part in enumerate(parts_of(config.identities, config.shares)):
        mate = waiting.pop(part, None)
        rooms.append(person if mate is None else mate)
        if mate is None:
            waiting[part] = person
    return rooms


def identity_of(config: DatasetConfig, number: int) -> Identity:
    """The person of that number."""
    return random_identity(identity_name(number), _rng(config, _PERSON, number))


def dance_of(config: DatasetConfig, number: int) -> Choreography:
    """The dance of that number, long enough not to begin anew within a clip."""
    beats = math.ceil(config.seconds * FASTEST_BPM / 60) + 4
    return random_dance(dance_name(number), beats, _rng(config, _DANCE, number))


def made_room(config: DatasetConfig, number: int) -> Room:
    """The room of that number, with its light and camera.

    The camera of `random_room` fills the picture with the standing body; here it stands farther off, so that raised hands stay
    in the picture whoever dances.
    """
    room = random_room(_rng(config, _ROOM, number))
    x, y, _ = room.camera.target
    return replace(room, camera=replace(room.camera, focal=WIDER * room.camera.focal, target=(x, y, TARGET_M)))


def grain_seed(config: DatasetConfig, clip: PlannedClip) -> int:
    """Of the camera's noise."""
    return int(np.random.SeedSequence((config.seed, _GRAIN, clip.identity, clip.dance)).generate_state(1)[0])


def _rng(config: DatasetConfig, what: int, number: int) -> np.random.Generator:
    return np.random.default_rng((config.seed, what, number))
