"""Configuration of the crop family: sizes of its networks and how they are trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Final, Self

from dancenow.face.config import FaceConfig, Start
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.training.precision import Precision

CROP_KIND: Final = "body"
"""Kind of the checkpoints of this family."""
_RENAMED: Final = {"rollout": "clip_frames", "judged_px": "patch_px"}
"""Fields of version 0.1 -> their present names."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms. The adversarial ones join at progress `adversarial_from`."""

    l1: float = 1.0
    structure: float = 0.0
    perceptual: float = 1.0
    matte: float = 0.03
    far: float = 0.1
    adversarial: float = 0.01
    feature_matching: float = 0.1


@dataclass(frozen=True)
class CropConfig:
    """Configuration of a crop model.

    start: from the shipped pretrained weights ("base"), which exist for one size, or from random ones ("nothing").
    clips_per_step: clips in a batch, each an image to learn from. clip_frames: consecutive frames per clip; the
    temporal discriminator needs two. mirror: fraction of the clips that are mirrored in the first half of the budget, when
    shapes are learned and asymmetries are not yet.
    keypoint_jitter: largest displacement of keypoints as a fraction of the canvas, see `dataset.jitter_keypoints`.
    learning_rate: of Adam at its peak. fine_from: progress at which a generator with a fine stage begins to train it.
    adversarial_from: progress at which the discriminators join. perceptual_depth: stages of the perceptual trunk that count.
    patch_px: side of the random patch of the canvas that the perceptual trunk and the discriminators see in each step:
    they cost more than the generator. max_frames: frames of the subject held in memory. face: what is trained after the body.
    precision: of the networks, where the hardware has it.
    """

    family: ClassVar[str] = "crop"

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    spatial: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    temporal: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(frames=2))
    weights: LossWeights = field(default_factory=LossWeights)
    start: Start = "nothing"
    clips_per_step: int = 2
    clip_frames: int = 2
    mirror: float = 0.0
    keypoint_jitter: float = 0.008
    learning_rate: float = 1.5e-3
    fine_from: float = 0.0
    adversarial_from: float = 0.8
    perceptual_depth: int = 3
    patch_px: int = 160
    max_frames: int = 2000
    face: FaceConfig = field(default_factory=FaceConfig)
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.clip_frames < 2 and self.adversarial_from < 1:
            raise ValueError("the temporal discriminator needs clip_frames of at least 2")

    @property
    def body_px(self) -> int:
        """Side of the generated image."""
        return self.generator.canvas_px

    @property
    def images_per_step(self) -> int:
        """Images that one training step sees."""
        return self.clips_per_step

    @property
    def is_pretrained(self) -> bool:
        """Whether training starts from the shipped weights."""
        return self.start == "base"

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, also for headers of version 0.1."""
        parts = {
            "generator": GeneratorConfig.from_json(data["generator"]),
            "spatial": DiscriminatorConfig(**data["spatial"]),
            "temporal": DiscriminatorConfig(**data["temporal"]),
            "weights": LossWeights(**data["weights"]),
            "face": FaceConfig.from_json(data.get("face", {})),
        }
        known = {each.name for each in fields(cls)}
        renamed = {new: data[old] for old, new in _RENAMED.items() if old in data}
        return cls(**{name: value for name, value in {**data, **renamed, **parts}.items() if name in known})
