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
"""Checkpoint kind of pretrained face networks."""


@dataclass(frozen=True, eq=False)
class PretrainedFace:
    """Initial weights for a residual face network of any canvas size, and the SHA-256 of their file."""

    width: int
    blocks: int
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """Read a checkpoint written by `research.recipes.face_pretraining_task`."""
        sizes = checkpoint.info.config["network"]
        weights = {name: value.float() for name, value in checkpoint.part("face").items()}
        return cls(sizes["width"], sizes["blocks"], weights, sha256)

    def load_into(self, network: FaceNetwork) -> None:
        """Initialize `network` with these weights.

        Raises:
            ValueError: the network has other sizes.
        """
        if (network.config.width, network.config.blocks) != (self.width, self.blocks):
            raise ValueError(
                f"the pretrained face network has width {self.width} and {self.blocks} blocks, not those of {network.config}"
            )
        network.load_state_dict(self.weights)


@cache
def load_pretrained_face(path: Path = FACE_BASE) -> PretrainedFace:
    """Load the shipped weights of the residual face network, or another file.

    Raises:
        UserError: the file is missing or damaged.
    """
    return PretrainedFace.of_checkpoint(load_checkpoint(path, FACE_KIND), sha256_of(path))
