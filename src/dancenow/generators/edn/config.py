"""Configuration of the edn family, the system of Everybody Dance Now: sizes of its networks and how they are trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Final, Self

from dancenow.face.config import LARGE_FACE_CONFIG, FaceConfig
from dancenow.generators.edn.network import EdnNetworkConfig
from dancenow.training.precision import Precision

EDN_KIND: Final = "whole-frame"
"""Kind of the checkpoints of this family."""


@dataclass(frozen=True)
class EdnLossWeights:
    """Weights of the loss terms, as published; the perceptual trunk is EfficientNet-Lite0 where the paper has VGG."""

    adversarial: float = 1.0
    feature_matching: float = 10.0
    perceptual: float = 10.0


@dataclass(frozen=True)
class EdnConfig(EdnNetworkConfig):
    """Configuration of a whole-frame model; the defaults are those published for the first, global stage.

    scales: of the discriminators; the local enhancer's have one more. learning_rate: of Adam with betas .5 and .999; constant
    for the first half of each stage, then linear to zero. enhance_from: progress at which the local enhancer begins to be
    trained at twice `longer_px`; 1 = never. For the first half of its stage it is trained alone, then with the global
    generator. perceptual_depth: stages of the perceptual trunk that count. max_frames: frames of the subject held in memory,
    3 bytes per px of the last stage. face: what is trained after the body. precision: of the networks, where the hardware has
    it.
    """

    family: ClassVar[str] = "edn"

    scales: int = 2
    weights: EdnLossWeights = field(default_factory=EdnLossWeights)
    learning_rate: float = 2e-4
    enhance_from: float = 1.0
    perceptual_depth: int = 5
    max_frames: int = 2000
    face: FaceConfig = LARGE_FACE_CONFIG
    precision: Precision = "bfloat16"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.enhance_from <= 1 or self.scales < 1:
            raise ValueError(f"enhance_from must be in (0, 1] and scales at least 1, got {self.enhance_from} and {self.scales}")

    @property
    def body_px(self) -> int:
        """Side of the generated image."""
        return self.longer_px

    @property
    def images_per_step(self) -> int:
        """Images that one training step sees."""
        return 1

    @property
    def network(self) -> EdnNetworkConfig:
        """The part that the networks need."""
        return EdnNetworkConfig(**{each.name: getattr(self, each.name) for each in fields(EdnNetworkConfig)})

    @property
    def is_pretrained(self) -> bool:
        """Never: the paper's networks start from random weights."""
        return False

    def to_json(self) -> dict[str, Any]:
        """Plain data for a checkpoint's header."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        parts = {"weights": EdnLossWeights(**data["weights"]), "face": FaceConfig.from_json(data.get("face", {}))}
        return cls(**{**data, **parts})
