"""Configuration of the training of a face network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from dancenow.training.precision import Precision

Start = Literal["base", "nothing"]
_OLD_NAMES: Final = {
    "share": "budget_fraction",
    "most_px": "max_canvas_px",
    "judge_width": "discriminator_width",
    "bare": "landmark_dropout",
    "played": "expression_augmentation",
}
"""Field names of version 0.1, which older checkpoints have in their headers."""


@dataclass(frozen=True)
class FaceConfig:
    """How a face network is trained: after the body, and within the same budget.

    budget_fraction: fraction of the budget for the face. start: initial weights of the residual network: the shipped pretrained
    ones, which exist for one size, or random. width, blocks: of the network. max_canvas_px: the largest canvas; smaller faces
    get smaller ones. discriminator_width: channels of the discriminator. max_faces: held in memory; the body generator renders
    each of them first. faces_per_step: batch size. learning_rate: peak rate of Adam; a CycleGAN, which has a discriminator from
    the start, uses a quarter of it. landmark_dropout: fraction of faces shown without landmarks, as where none can be measured.
    expression_augmentation: fraction shown with a synthetic expression, see `face_losses.augment_expressions`; 0 without
    pretrained weights. l1, structure, perceptual: loss weights; adversarial, feature_matching: weights of the terms that start
    at `adversarial_from` of the face's progress. cycle, identity: weights for the unpaired network, which has no ground truth.
    """

    budget_fraction: float = 0.25
    start: Start = "base"
    width: int = 32
    blocks: int = 2
    max_canvas_px: int = 128
    discriminator_width: int = 16
    max_faces: int = 160
    faces_per_step: int = 4
    learning_rate: float = 7e-4
    landmark_dropout: float = 0.15
    expression_augmentation: float = 0.5
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
        if not 0 < self.budget_fraction < 1:
            raise ValueError(f"the face's fraction of the budget must be between 0 and 1, got {self.budget_fraction}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read the fields from a checkpoint's header, under their present or their old names."""
        return cls(**{_OLD_NAMES.get(name, name): value for name, value in data.items()})


LARGE_FACE_CONFIG: Final = FaceConfig(discriminator_width=32, max_faces=600, faces_per_step=16, adversarial_from=0.5)
"""For a GPU, which has time for larger batches and networks."""
