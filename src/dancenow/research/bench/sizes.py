"""Settings of each benchmark at each size: smoke (seconds, in the tests), laptop (two cores, an hour), gpu.

Everything that a number depends on is here and is stored in the result's JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from dancenow.face.refinement import FaceMode
from dancenow.research.bench.rendered_test_set import RenderedTestSet, rendered_test_set, with_singing_dance
from dancenow.research.bench.results import Size

OurNetwork = Literal["tiny", "draft", "draft-fast", "standard", "hd"]
"""Our networks: a preset, or one that trains in seconds to test a benchmark."""


class Networks(Protocol):
    """What a method needs to know of a size: our network, and the size of the paper's."""

    @property
    def ours(self) -> OurNetwork:
        """`tiny` or a preset."""

    @property
    def paper_px(self) -> int:
        """Longer side of the paper's frames."""

    @property
    def paper_width(self) -> float:
        """Factor on the paper's channels."""


@dataclass(frozen=True)
class AblationSize:
    """budget: of every training. paper_px, paper_width: longer side and width factor of the paper's networks. ours: `tiny` or a
    preset. every, pose_every: as in `PreparedReference.of`. train_s, evaluate_s: expected seconds, for the remaining time.
    without: methods that are skipped for lack of time. reseeded: methods trained with every seed, the others only with the
    first; None for all."""

    test_set: RenderedTestSet
    budget: str
    seeds: tuple[int, ...]
    ours: OurNetwork
    paper_px: int
    paper_width: float
    every: int
    pose_every: int
    train_s: float
    evaluate_s: float
    without: tuple[str, ...] = ()
    reseeded: tuple[str, ...] | None = None


ABLATION: Final[Mapping[Size, AblationSize]] = {
    "smoke": AblationSize(rendered_test_set(128, 6, 3.0, 1, 1), "4images", (0,), "tiny", 64, 1 / 16, 6, 2, 3, 3),
    "laptop": AblationSize(
        rendered_test_set(512, 24, 3.0),
        "45s",
        (0, 1),
        "draft",
        256,
        0.25,
        6,
        3,
        51,
        45,
        ("heatmaps", "ours, from nothing"),
    ),
    "gpu": AblationSize(rendered_test_set(512, 24, 3.0), "10m", (0, 1, 2), "standard", 512, 1.0, 4, 2, 620, 30),
}


@dataclass(frozen=True)
class BudgetSize:
    """budgets: of training, each with every seed. filmed: clips in DANCENOW_DATA: NAME_id1.mp4 and .npz of the first for
    training, of the second as ground truth, whose NAME_id0.mp4 shows the source person; None for none. evaluate_s: per model.
    The rest as in `AblationSize`."""

    test_set: RenderedTestSet
    budgets: tuple[str, ...]
    seeds: tuple[int, ...]
    ours: OurNetwork
    paper_px: int
    paper_width: float
    every: int
    pose_every: int
    evaluate_s: float
    filmed: tuple[str, str] | None


BUDGET: Final[Mapping[Size, BudgetSize]] = {
    "smoke": BudgetSize(rendered_test_set(128, 6, 3.0, 1, 1), ("2images", "4images"), (0,), "tiny", 64, 1 / 16, 6, 2, 3, None),
    "laptop": BudgetSize(rendered_test_set(512, 24, 3.0), ("4m", "15m"), (0,), "draft", 256, 0.25, 6, 3, 60, ("cxk", "jesse")),
    "gpu": BudgetSize(
        rendered_test_set(512, 24, 3.0), ("150s", "4m", "15m"), (0,), "standard", 512, 1.0, 6, 3, 60, ("cxk", "jesse")
    ),
}


@dataclass(frozen=True)
class DriftSize:
    """test_set: provides the first subject's first dance, which is repeated `passes` times for ours and `paper_passes` times
    for the paper's, alternately forwards and backwards (odd: the last pass is forwards). budget: of training. expected_s: per
    method. The rest as in `AblationSize`."""

    test_set: RenderedTestSet
    passes: int
    paper_passes: int
    budget: str
    ours: OurNetwork
    paper_px: int
    paper_width: float
    every: int
    expected_s: float


DRIFT: Final[Mapping[Size, DriftSize]] = {
    "smoke": DriftSize(rendered_test_set(128, 6, 3.0, 1, 1), 3, 3, "4images", "tiny", 64, 1 / 16, 6, 6),
    "laptop": DriftSize(rendered_test_set(512, 24, 10.0, 1, 1), 19, 3, "2m", "draft", 256, 0.25, 6, 420),
    "gpu": DriftSize(rendered_test_set(512, 24, 10.0, 1, 1), 19, 19, "4m", "standard", 512, 1.0, 4, 600),
}


@dataclass(frozen=True)
class CameraSize:
    """test_set: provides the first subject's footage and first dance, which are filmed by moving cameras. budget: of training,
    in images. expected_s: of one camera in one role. The rest as in `AblationSize`."""

    test_set: RenderedTestSet
    ours: OurNetwork
    budget: str
    every: int
    expected_s: float


CAMERA: Final[Mapping[Size, CameraSize]] = {
    "smoke": CameraSize(rendered_test_set(160, 6, 2.0, 1, 1), "tiny", "4images", 6, 10),
    "laptop": CameraSize(rendered_test_set(512, 24, 5.0, 1, 1), "draft", "1000images", 6, 150),
    "gpu": CameraSize(rendered_test_set(1024, 30, 10.0, 1, 1), "standard", "20000images", 6, 400),
}


@dataclass(frozen=True)
class SpeedSize:
    """networks: ours, each with the size (width, height) in px to which footage and dance are upsampled, None for the test
    set's own. frames, paper_frames: generated per repetition by ours and by the paper's. steps, paper_steps: of training per
    repetition, enough for the preset's fraction of discriminator steps. whole_frames: of the dance for the end-to-end
    transfer, repeated if it is shorter. paper_px, paper_width: as in `AblationSize`."""

    test_set: RenderedTestSet
    repetitions: int
    networks: tuple[tuple[OurNetwork, tuple[int, int] | None], ...]
    frames: int
    paper_frames: int
    steps: int
    paper_steps: int
    whole_frames: int
    paper_px: int
    paper_width: float
    expected_s: float


SPEED: Final[Mapping[Size, SpeedSize]] = {
    "smoke": SpeedSize(rendered_test_set(128, 6, 3.0, 1, 1), 2, (("tiny", None),), 3, 2, 2, 2, 6, 64, 1 / 16, 20),
    "laptop": SpeedSize(rendered_test_set(512, 24, 3.0), 2, (("draft", None),), 48, 4, 20, 3, 24, 256, 1.0, 260),
    "gpu": SpeedSize(
        rendered_test_set(512, 24, 3.0), 1, (("standard", None), ("hd", (1920, 1080))), 72, 72, 20, 10, 144, 512, 1.0, 120
    ),
}


@dataclass(frozen=True)
class LengthSize:
    """frames: lengths of the dances; test_set: its first footage is looped as the dance, for the last subject's model.
    seconds_per_frame: expected."""

    test_set: RenderedTestSet
    frames: tuple[int, ...]
    ours: OurNetwork
    seconds_per_frame: float


LENGTH: Final[Mapping[Size, LengthSize]] = {
    "smoke": LengthSize(rendered_test_set(128, 6, 3.0, 1, 1), (6, 12), "tiny", 0.5),
    "laptop": LengthSize(rendered_test_set(512, 24, 3.0), (65, 650), "draft", 0.16),
    "gpu": LengthSize(rendered_test_set(512, 24, 3.0), (65, 650, 1300), "standard", 0.16),
}


@dataclass(frozen=True)
class NormalizeSize:
    """identities: dance for each other; dances: each in turn, with footage of another one. distances: of the camera, as factors
    of the room's; detected: test set to measure on detected keypoints, too. image_budget: also train a model of each of its
    subjects for this budget and evaluate its images, every `every`-th frame. images_s: expected seconds per subject."""

    identities: tuple[str, ...]
    dances: tuple[str, ...]
    distances: tuple[float, ...]
    seconds: float
    detected: RenderedTestSet | None
    image_budget: str | None = None
    ours: OurNetwork = "draft"
    every: int = 2
    images_s: float = 200.0


_PEOPLE: Final = ("ada", "ben", "dov", "fin")
_DANCES: Final = ("pulse", "spark", "drift")
NORMALIZE: Final[Mapping[Size, NormalizeSize]] = {
    "smoke": NormalizeSize(
        _PEOPLE[:2], _DANCES[:2], (1.0,), 4.0, rendered_test_set(128, 6, 3.0, 1, 1), "4images", "tiny", every=6, images_s=5.0
    ),
    "laptop": NormalizeSize(_PEOPLE, _DANCES, (1.0, 1.4), 12.0, rendered_test_set(512, 24, 3.0), "1000images"),
    "gpu": NormalizeSize(_PEOPLE, _DANCES, (1.0, 1.4), 12.0, rendered_test_set(512, 24, 3.0), "10m", "standard"),
}


@dataclass(frozen=True)
class MonotonicitySize:
    """damage: kinds of degradation. num_frames: of the clip. every: as in `evaluate`. evaluate_s: of one evaluation."""

    test_set: RenderedTestSet
    damage: tuple[str, ...]
    num_frames: int
    every: int
    evaluate_s: float


_ALL_DAMAGE: Final = ("blur", "shift", "noise", "freeze", "identity swap", "hide")
MONOTONICITY: Final[Mapping[Size, MonotonicitySize]] = {
    "smoke": MonotonicitySize(rendered_test_set(128, 6, 3.0, 1, 1), ("blur",), 18, 6, 2),
    "laptop": MonotonicitySize(rendered_test_set(512, 24, 3.0), _ALL_DAMAGE, 48, 6, 9),
    "gpu": MonotonicitySize(rendered_test_set(512, 24, 3.0), _ALL_DAMAGE, 72, 3, 15),
}


@dataclass(frozen=True)
class BackendsSize:
    """networks: ours. paper: longer sides of the paper's network, with width factor paper_width, measured beside each of them.
    repetitions: timed images per backend; rollout: frames of the dance on which images are compared. compiled: also measure
    torch.compile, which takes half a minute and a C++ compiler. Everything runs on the GPU if there is one."""

    networks: tuple[OurNetwork, ...]
    paper: tuple[int, ...]
    paper_width: float
    repetitions: int
    rollout: int
    compiled: bool
    expected_s: float


BACKENDS: Final[Mapping[Size, BackendsSize]] = {
    "smoke": BackendsSize(("tiny",), (64,), 1 / 16, 3, 6, False, 5),
    "laptop": BackendsSize(("draft",), (), 1.0, 40, 300, True, 180),
    "gpu": BackendsSize(("draft", "standard", "hd"), (512, 1024), 1.0, 40, 60, False, 30),
}


@dataclass(frozen=True)
class FaceSize:
    """budget: of every training, body and face together. ours: `tiny` or a preset. every, pose_every: as in
    `PreparedReference.of`. train_s, evaluate_s: expected seconds per model."""

    test_set: RenderedTestSet
    budget: str
    seeds: tuple[int, ...]
    ours: OurNetwork
    every: int
    pose_every: int
    train_s: float
    evaluate_s: float


FACE: Final[Mapping[Size, FaceSize]] = {
    "smoke": FaceSize(with_singing_dance(rendered_test_set(256, 6, 6.0, 1, 0), 6.0), "16images", (0,), "tiny", 6, 2, 5, 8),
    "laptop": FaceSize(with_singing_dance(rendered_test_set(512, 24, 3.0, 2, 1), 4.0), "90s", (0,), "draft", 6, 3, 100, 90),
    "gpu": FaceSize(with_singing_dance(rendered_test_set(512, 24, 3.0, 2, 1), 4.0), "150s", (0,), "standard", 6, 3, 170, 60),
}


@dataclass(frozen=True)
class BlendSize:
    """test_set: its ground-truth dances are used, `clips` of them, the first `frames` of each. enlarged: upsampling factors."""

    test_set: RenderedTestSet
    clips: int
    frames: int
    enlarged: tuple[int, ...]


BLEND: Final[Mapping[Size, BlendSize]] = {
    "smoke": BlendSize(rendered_test_set(128, 6, 3.0, 1, 1), 1, 4, (2,)),
    "laptop": BlendSize(rendered_test_set(512, 24, 3.0), 3, 24, (1, 3)),
    "gpu": BlendSize(rendered_test_set(512, 24, 3.0), 6, 72, (1, 4)),
}


@dataclass(frozen=True)
class RealSize:
    """budget: of training, in images, so that results do not depend on other load. face: which face network is trained too.
    held_out_fraction: of a clip, at its end. max_frames: of held-out time and of the dance, at most. expected_s: of one clip.
    The rest as in `AblationSize`."""

    ours: OurNetwork
    face: FaceMode
    budget: str
    held_out_fraction: float
    max_frames: int
    every: int
    expected_s: float


REAL: Final[Mapping[Size, RealSize]] = {
    "smoke": RealSize("tiny", "none", "4images", 0.2, 6, 3, 20),
    "laptop": RealSize("draft", "auto", "400images", 0.2, 60, 5, 200),
    "gpu": RealSize("draft", "auto", "20000images", 0.2, 120, 5, 400),
}
