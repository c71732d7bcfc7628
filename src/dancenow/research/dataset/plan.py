"""Plan of a rendered dataset: who performs which dance in which room, as a function of the seed and of indices.

Person, dance and room of an index are the same in a dataset of any size, so a larger dataset extends a smaller one.
"""

import math
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Final

import numpy as np

from dancenow.errors import InputError, OptionError
from dancenow.research.dataset.protocol import PARTS, Fractions, assign_parts
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.identity import Identity
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.scene import Room

RECIPE: Final = 1
"""Increase it when the same settings would give different clips: folders of an older recipe are then not continued."""
FASTEST_BPM: Final = 130
"""No random dance is faster: this many beats per minute suffice for dances that do not repeat within a clip."""
FOCAL_SCALE: Final = 0.8
TARGET_M: Final = 1.12
"""The camera of `random_room` is widened by `FOCAL_SCALE` and aims at this height, so that the image shows everything from
below the floor to 2.4 m or more."""
_PERSON, _DANCE, _ROOM, _NOISE = range(4)
_LIMITS: Final = {"identities": (1, 9999), "dances": (1, 9999), "seconds": (0.5, 3600), "size": (64, 4096), "fps": (5, 120)}


@dataclass(frozen=True)
class DatasetConfig:
    """Settings of a rendered dataset.

    identities, dances: how many; everybody performs every dance. seconds: of each clip. size_px: side of the square image. fps:
    a fraction such as "30000/1001". seed: of all randomness. split_fractions: train, val and test. crf: of x264, lower is
    better.
    """

    identities: int = 4
    dances: int = 3
    seconds: float = 10.0
    size_px: int = 512
    fps: str = "30"
    seed: int = 0
    split_fractions: Fractions = (0.6, 0.2, 0.2)
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
        split_fractions = self.split_fractions
        if (
            len(split_fractions) != len(PARTS)
            or min(split_fractions) < 0
            or split_fractions[0] <= 0
            or not math.isclose(sum(split_fractions), 1, abs_tol=1e-6)
        ):
            raise OptionError(f"the fractions of train, val and test must sum to 1, with train above 0, got {split_fractions}.")

    @property
    def num_frames(self) -> int:
        """Number of frames of each clip."""
        return round(float(Fraction(self.fps)) * self.seconds)

    @property
    def appearance(self) -> dict[str, Any]:
        """The settings that determine the content of a clip, independent of the number of clips: JSON values."""
        others = ("identities", "dances", "split_fractions")
        return {"recipe": RECIPE} | {name: value for name, value in asdict(self).items() if name not in others}


@dataclass(frozen=True)
class PlannedClip:
    """One clip by indices. room: index of the person for whom the room was sampled; two people of a part share it."""

    identity: int
    dance: int
    room: int

    @property
    def key(self) -> str:
        """Name of the clip in the dataset; without a dot, as shards require."""
        return f"{identity_name(self.identity)}-{dance_name(self.dance)}"


def identity_name(number: int) -> str:
    """Return the name of the person of an index."""
    return f"id{number:04d}"


def dance_name(number: int) -> str:
    """Return the name of the dance of an index."""
    return f"dance{number:04d}"


def room_name(number: int) -> str:
    """Return the name of the room that was sampled for the person of an index."""
    return f"room{number:04d}"


def plan_clips(config: DatasetConfig) -> list[PlannedClip]:
    """List all clips, person by person."""
    rooms = assign_rooms(config)
    return [PlannedClip(person, dance, rooms[person]) for person in range(config.identities) for dance in range(config.dances)]


def assign_rooms(config: DatasetConfig) -> list[int]:
    """Return the room index of every person.

    Two people of a part share a room, so that some pairs differ in the body only; no room occurs in two parts.
    """
    rooms: list[int] = []
    waiting: dict[str, int] = {}
    for person, part in enumerate(assign_parts(config.identities, config.split_fractions)):
        mate = waiting.pop(part, None)
        rooms.append(person if mate is None else mate)
        if mate is None:
            waiting[part] = person
    return rooms


def sample_identity(config: DatasetConfig, number: int) -> Identity:
    """Return the person of an index."""
    return random_identity(identity_name(number), _rng(config, _PERSON, number))


def sample_dance(config: DatasetConfig, number: int) -> Choreography:
    """Return the dance of an index, long enough not to repeat within a clip."""
    beats = math.ceil(config.seconds * FASTEST_BPM / 60) + 4
    return random_dance(dance_name(number), beats, _rng(config, _DANCE, number))


def sample_room(config: DatasetConfig, number: int) -> Room:
    """Return the room of an index with its light and camera.

    The camera of `random_room` fits the standing body; here it sees more, so that raised hands stay in the image for everybody.
    """
    room = random_room(_rng(config, _ROOM, number))
    x, y, _ = room.camera.target
    return replace(room, camera=replace(room.camera, focal=FOCAL_SCALE * room.camera.focal, target=(x, y, TARGET_M)))


def noise_seed(config: DatasetConfig, clip: PlannedClip) -> int:
    """Return the seed of the camera noise of a clip."""
    return int(np.random.SeedSequence((config.seed, _NOISE, clip.identity, clip.dance)).generate_state(1)[0])


def _rng(config: DatasetConfig, what: int, number: int) -> np.random.Generator:
    return np.random.default_rng((config.seed, what, number))
