"""How large each bench is at each size: smoke (seconds, in the tests), laptop (two cores, an hour), gpu.

Everything a figure depends on stands here, and goes into the result's JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dancenow.bench.results import Size
from dancenow.bench.world import World, world

Ours = Literal["tiny", "draft", "standard"]
"""Our networks: a preset, or what is too small to be good and shows in seconds that a bench works."""


@dataclass(frozen=True)
class AblationSize:
    """budget: of every training. paper_px, paper_width: longer side and width factor of the paper's networks. ours: which
        networks ours are, `tiny` or a preset. every: as in `evaluate`. train_s, judge_s: expected seconds, for the time left.
    without: methods for which there is no time. reseeded: those that are trained with every seed, the others only with the
        first; None for all."""

    world: World
    budget: str
    seeds: tuple[int, ...]
    ours: Ours
    paper_px: int
    paper_width: float
    every: int
    train_s: float
    judge_s: float
    without: tuple[str, ...] = ()
    reseeded: tuple[str, ...] | None = None


ABLATION: Final[Mapping[Size, AblationSize]] = {
    "smoke": AblationSize(world(128, 6, 3.0, 1, 1), "4images", (0,), "tiny", 64, 1 / 16, 6, 3, 3),
    "laptop": AblationSize(
        world(512, 24, 3.0), "45s", (0, 1), "draft", 256, 0.25, 6, 51, 90, ("ours, no picture before",), ("ours",)
    ),
    "gpu": AblationSize(world(512, 24, 3.0), "10m", (0, 1, 2), "standard", 512, 1.0, 4, 620, 40),
}


@dataclass(frozen=True)
class SpeedSize:
    """frames, paper_frames: generated per repetition by ours and by the paper's. steps, paper_steps: of training
    per repetition, enough for a share of the discriminators' that is the preset's.
    whole_frames: of the dance that goes the whole way. ours, paper_px, paper_width: as in `AblationSize`."""

    world: World
    repetitions: int
    frames: int
    paper_frames: int
    steps: int
    paper_steps: int
    whole_frames: int
    ours: Ours
    paper_px: int
    paper_width: float
    expected_s: float


SPEED: Final[Mapping[Size, SpeedSize]] = {
    "smoke": SpeedSize(world(128, 6, 3.0, 1, 1), 2, 3, 2, 2, 2, 6, "tiny", 64, 1 / 16, 20),
    "laptop": SpeedSize(world(512, 24, 3.0), 2, 48, 4, 20, 3, 24, "draft", 256, 1.0, 260),
    "gpu": SpeedSize(world(512, 24, 3.0), 5, 72, 72, 20, 20, 72, "standard", 512, 1.0, 300),
}


@dataclass(frozen=True)
class LengthSize:
    """frames: lengths of the dances; world: whose first footage is danced, again and again, by the last subject's model.
    seconds_a_frame: expected."""

    world: World
    frames: tuple[int, ...]
    ours: Ours
    seconds_a_frame: float


LENGTH: Final[Mapping[Size, LengthSize]] = {
    "smoke": LengthSize(world(128, 6, 3.0, 1, 1), (6, 12), "tiny", 0.5),
    "laptop": LengthSize(world(512, 24, 3.0), (65, 650), "draft", 0.16),
    "gpu": LengthSize(world(512, 24, 3.0), (65, 650, 1300), "standard", 0.16),
}


@dataclass(frozen=True)
class NormalizeSize:
    """identities: dance for each other; dances: each is danced in turn, with another as the footage's.
    distances: of the camera, as factors of the room's; detected: also measure on detected keypoints of this world."""

    identities: tuple[str, ...]
    dances: tuple[str, ...]
    distances: tuple[float, ...]
    seconds: float
    detected: World | None


NORMALIZE: Final[Mapping[Size, NormalizeSize]] = {
    "smoke": NormalizeSize(("ada", "ben"), ("pulse", "spark"), (1.0,), 4.0, None),
    "laptop": NormalizeSize(("ada", "ben", "dov", "fin"), ("pulse", "spark", "drift"), (1.0, 1.4), 12.0, world(512, 24, 3.0)),
    "gpu": NormalizeSize(("ada", "ben", "dov", "fin"), ("pulse", "spark", "drift"), (1.0, 1.4), 12.0, None),
}


@dataclass(frozen=True)
class MonotonicitySize:
    """damage: kinds of it. num_frames: of the clip that is damaged. every: as in `evaluate`. judge_s: of one evaluation."""

    world: World
    damage: tuple[str, ...]
    num_frames: int
    every: int
    judge_s: float


_ALL_DAMAGE: Final = ("blur", "shift", "noise", "freeze", "identity swap", "hide")
MONOTONICITY: Final[Mapping[Size, MonotonicitySize]] = {
    "smoke": MonotonicitySize(world(128, 6, 3.0, 1, 1), ("blur",), 18, 6, 2),
    "laptop": MonotonicitySize(world(512, 24, 3.0), _ALL_DAMAGE, 48, 6, 9),
    "gpu": MonotonicitySize(world(512, 24, 3.0), _ALL_DAMAGE, 72, 3, 15),
}


@dataclass(frozen=True)
class EnginesSize:
    """repetitions: pictures that are timed per engine; rollout: frames of the dance on which pictures are compared.
    compiled: also measure torch.compile, which needs half a minute and a C++ compiler."""

    ours: Ours
    repetitions: int
    rollout: int
    compiled: bool
    expected_s: float


ENGINES: Final[Mapping[Size, EnginesSize]] = {
    "smoke": EnginesSize("tiny", 3, 6, False, 5),
    "laptop": EnginesSize("draft", 40, 300, True, 180),
    "gpu": EnginesSize("standard", 20, 300, True, 600),
}
