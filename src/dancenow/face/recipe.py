"""How a face network is trained."""

from dataclasses import dataclass
from typing import Final, Literal

from dancenow.training.precision import Precision

Start = Literal["base", "nothing"]


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
