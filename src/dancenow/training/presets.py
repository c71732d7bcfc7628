"""What a preset means: the sizes of the networks and the recipe that trains them.

`draft` (256 px, minutes on a laptop), `standard` (512 px, tens of minutes on a GPU) and `hd` (1024 px, coarse to fine, for
1080p video) are ours; `paper` is Everybody Dance Now (Chan et al., 2019) on pix2pixHD (Wang et al., 2018) as published, and
`heatmaps` the same generator on Gaussian pose tensors of two consecutive poses with two discriminators.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, Self

from dancenow.errors import UserError
from dancenow.models.discriminator import DiscriminatorConfig
from dancenow.models.generator import GeneratorConfig
from dancenow.models.wholeframe import WholeFrameConfig
from dancenow.training.precision import Precision

Preset = Literal["draft", "standard", "hd", "paper", "heatmaps"]
Start = Literal["base", "nothing"]


@dataclass(frozen=True)
class LossWeights:
    """What each term counts for. The adversarial terms join at `adversarial_from` of the budget."""

    l1: float = 1.0
    structure: float = 0.0
    perceptual: float = 1.0
    matte: float = 0.03
    adversarial: float = 0.01
    feature_matching: float = 0.1


@dataclass(frozen=True)
class FaceRecipe:
    """How a face network is trained, after the body and within the same budget.

    share: of the budget, for all of it. start: of the residual network, from the shipped base, which exists for one size, or
    from nothing. width, blocks: of the network. most_px: the largest canvas; smaller faces get smaller ones. judge_width: of
    the discriminator. max_faces: held in memory, each of which the body has to paint first. faces_per_step: in a batch.
    learning_rate: of Adam at its peak; cyclegans, which have a judge from the start, learn at a quarter of it. bare: share of
    the faces that are shown without landmarks, as they are where none can be measured. played: share that is shown with
    another expression than it has, see `facestep.played`; without a base there are none.
    l1, structure, perceptual: what these terms count for; adversarial, feature_matching: those that join at
    `adversarial_from` of the face's share. cycle, identity: of the unpaired network, which has no truth to compare with.
    """

    share: float = 0.25
    start: Start = "base"
    width: int = 32
    blocks: int = 2
    most_px: int = 128
    judge_width: int = 16
    max_faces: int = 160
    faces_per_step: int = 4
    learning_rate: float = 7e-4
    bare: float = 0.15
    played: float = 0.5
    l1: float = 1.0
    structure: float = 0.3
    perceptual: float = 2.0
    adversarial: float = 0.01
    feature_matching: float = 0.1
    adversarial_from: float = 0.8
    cycle: float = 10.0
    identity: float = 5.0
    precision: Precision = "bfloat16"

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"the face's share of the budget must be between 0 and 1, got {self.share}")


LARGE_FACE: Final = FaceRecipe(judge_width=32, max_faces=600, faces_per_step=16, adversarial_from=0.5)
"""For a GPU, where there is time for more of everything."""


@dataclass(frozen=True)
class BodyConfig:
    """The whole recipe of the body generator.

    start: from the shipped base, which exists for one size, or from nothing. clips_per_step: clips in a batch, each an image
    to learn from. rollout: consecutive frames per clip; of a generator that goes on from its own picture every fourth step
    takes this many, the others two. afresh: share of the clips whose last frame is generated from nothing. mirror: share of
    the clips that are seen in a mirror in the first half of the budget, when shapes are learnt and asymmetries are not yet.
    misplace: share of the canvas by which keypoints are misplaced at most, see `clips.misplaced`.
    learning_rate: of Adam at its peak. fine_from: share of the budget after which a generator with a fine stage trains it.
    adversarial_from: share after which the discriminators train. perceptual_depth: stages of the perceptual trunk that count.
    judged_px: side of the window of the canvas, another one each step, that the perceptual trunk and the discriminators see:
    they cost more than the generator. max_frames: frames of the subject held in memory. face: what is trained after the body.
    precision: of the networks, where the hardware has it.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    spatial: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    temporal: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(frames=2))
    weights: LossWeights = field(default_factory=LossWeights)
    start: Start = "nothing"
    clips_per_step: int = 2
    rollout: int = 4
    afresh: float = 0.2
    mirror: float = 0.0
    misplace: float = 0.008
    learning_rate: float = 1.5e-3
    fine_from: float = 0.0
    adversarial_from: float = 0.8
    perceptual_depth: int = 3
    judged_px: int = 160
    max_frames: int = 2000
    face: FaceRecipe = field(default_factory=FaceRecipe)
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.rollout < 2 and self.adversarial_from < 1:
            raise ValueError("the discriminator of consecutive pictures needs a rollout of at least 2")

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        parts = {
            "generator": GeneratorConfig(**data["generator"]),
            "spatial": DiscriminatorConfig(**data["spatial"]),
            "temporal": DiscriminatorConfig(**data["temporal"]),
            "weights": LossWeights(**data["weights"]),
            "face": FaceRecipe(**data.get("face", {})),
        }
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in {**data, **parts}.items() if name in known})


@dataclass(frozen=True)
class PaperWeights:
    """What each term counts for, as published; the perceptual trunk is ours, EfficientNet-Lite0 where the paper has VGG."""

    adversarial: float = 1.0
    feature_matching: float = 10.0
    perceptual: float = 10.0


@dataclass(frozen=True)
class PaperConfig(WholeFrameConfig):
    """The whole recipe of a whole-frame generator; the defaults are those published for the first, global stage.

    scales: of the discriminators; the local enhancer's have one more. learning_rate: of Adam with betas .5 and .999; constant
    for the first half of each stage, then linear to zero. enhance_from: share of the budget after which the local enhancer
    is trained at twice `longer_px`; 1 = never. For the first half of its stage it is trained alone, then with the global
    generator. perceptual_depth: stages of the perceptual trunk that count. max_frames: frames of the subject held in memory,
    3 bytes per px of the last stage. face: what is trained after the body. precision: of the networks, where the hardware has
    it.
    """

    scales: int = 2
    weights: PaperWeights = field(default_factory=PaperWeights)
    learning_rate: float = 2e-4
    enhance_from: float = 1.0
    perceptual_depth: int = 5
    max_frames: int = 2000
    face: FaceRecipe = LARGE_FACE
    precision: Precision = "bfloat16"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.enhance_from <= 1 or self.scales < 1:
            raise ValueError(f"enhance_from must be in (0, 1] and scales at least 1, got {self.enhance_from} and {self.scales}")

    @property
    def network(self) -> WholeFrameConfig:
        """What the networks alone need to know."""
        return WholeFrameConfig(**{each.name: getattr(self, each.name) for each in fields(WholeFrameConfig)})

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        parts = {"weights": PaperWeights(**data["weights"]), "face": FaceRecipe(**data.get("face", {}))}
        return cls(**{**data, **parts})


Config = BodyConfig | PaperConfig

PRESETS: Final[dict[Preset, BodyConfig | PaperConfig]] = {
    "draft": BodyConfig(
        generator=GeneratorConfig(canvas_px=256, width=24, blocks=3, previous=False, shade=True),
        spatial=DiscriminatorConfig(width=16),
        temporal=DiscriminatorConfig(frames=2, width=16),
        weights=LossWeights(structure=0.3),
        start="base",
        clips_per_step=4,
        rollout=2,
        mirror=0.3,
        precision="bfloat16",
    ),
    "standard": BodyConfig(
        generator=GeneratorConfig(canvas_px=512, width=64, blocks=6, previous=False, shade=True),
        spatial=DiscriminatorConfig(width=48, scales=3),
        temporal=DiscriminatorConfig(frames=2, width=48, scales=3),
        clips_per_step=4,
        rollout=2,
        learning_rate=5e-4,
        adversarial_from=0.3,
        judged_px=320,
        max_frames=4000,
        face=LARGE_FACE,
        precision="bfloat16",
    ),
    "hd": BodyConfig(
        generator=GeneratorConfig(canvas_px=1024, width=64, blocks=6, previous=False, fine=True, shade=True),
        spatial=DiscriminatorConfig(width=48, scales=3),
        temporal=DiscriminatorConfig(frames=2, width=48, scales=3),
        clips_per_step=2,
        rollout=2,
        learning_rate=5e-4,
        fine_from=0.4,
        adversarial_from=0.5,
        judged_px=512,
        max_frames=800,
        face=LARGE_FACE,
        precision="bfloat16",
    ),
    "paper": PaperConfig(),
    "heatmaps": PaperConfig(conditioning="heatmaps"),
}


def preset_config(
    preset: str, width: float | None = None, longer_px: int | None = None, enhance_from: float | None = None
) -> Config:
    """The recipe of a preset; whole-frame presets also in other sizes and with the local enhancer.

    Args:
        width: factor on every channel count. longer_px: longer side of the frame. enhance_from: see `PaperConfig`.

    Raises:
        UserError: there is no preset of that name, or it cannot have that size.
    """
    if preset not in PRESETS:
        raise UserError(f"there is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    config: Config = PRESETS[preset]
    wanted = {"width": width, "longer_px": longer_px, "enhance_from": enhance_from}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        return config
    if not isinstance(config, PaperConfig):
        raise UserError(
            f"the preset {preset} has one size; width, longer side and enhancer are for the presets paper and heatmaps."
        )
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise UserError(f"the preset {preset} cannot have that size: {error}.") from error
