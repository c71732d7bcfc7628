"""Pretrained initial weights of the residual face network, trained on many rendered people."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from torch import Tensor

from dancenow.assets import FACE_BASE
from dancenow.face.network import FaceNetwork
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint

FACE_KIND: Final = "face-base"
"""Kind of those that hold one of faces."""


@dataclass(frozen=True, eq=False)
class FaceBase:
    """Weights for a residual face network of any canvas, and the SHA-256 of their file."""

    width: int
    blocks: int
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """From a checkpoint that `research.recipes.face_pretraining_task` wrote."""
        sizes = checkpoint.info.config["network"]
        weights = {name: value.float() for name, value in checkpoint.part("face").items()}
        return cls(sizes["width"], sizes["blocks"], weights, sha256)

    def give_to(self, network: FaceNetwork) -> None:
        """Start `network` from here.

        Raises:
            ValueError: it has other sizes.
        """
        if (network.config.width, network.config.blocks) != (self.width, self.blocks):
            raise ValueError(f"the faces' base has width {self.width} and {self.blocks} blocks, not those of {network.config}")
        network.load_state_dict(self.weights)


@cache
def load_face_base(path: Path = FACE_BASE) -> FaceBase:
    """The shipped base of residual faces, or another file's.

    Raises:
        UserError: the file is missing or damaged.
    """
    return FaceBase.of_checkpoint(load_checkpoint(path, FACE_KIND), sha256_of(path))
