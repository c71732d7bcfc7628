"""The shipped starts: a generator and a face network that have seen many random dancers, and none in particular.

`training.base` and `training.facebase` train them, `benchmarks/train_base.py` and `train_face_base.py` are the recipes,
`assets/base.md` and `face_base.md` the cards.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Self

from torch import Tensor

from dancenow.assets import BASE, FACE_BASE
from dancenow.checkpoint import Checkpoint, load_checkpoint
from dancenow.files import sha256_of
from dancenow.models.face import FaceNetwork
from dancenow.models.generator import Generator, GeneratorConfig

KIND: Final = "base"
"""Kind of the checkpoints that hold one."""
FACE_KIND: Final = "face-base"
"""Kind of those that hold one of faces."""


@dataclass(frozen=True, eq=False)
class Base:
    """Weights to start from, the sizes that they are for, and the SHA-256 of their file."""

    config: GeneratorConfig
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """From a checkpoint that `training.base` wrote."""
        weights = {name: value.float() for name, value in checkpoint.part("generator").items()}
        return cls(GeneratorConfig(**checkpoint.info.config["generator"]), weights, sha256)

    def give_to(self, generator: Generator) -> None:
        """Start `generator` from here.

        Raises:
            ValueError: it has other sizes.
        """
        if replace(generator.config, shade=self.config.shade) != self.config:
            raise ValueError(f"the base model is of {self.config}, not of {generator.config}")
        # Where one of the two has no shadows, they are left out, or learnt from nothing.
        known = generator.state_dict()
        generator.load_state_dict({**known, **{name: value for name, value in self.weights.items() if name in known}})


@dataclass(frozen=True, eq=False)
class FaceBase:
    """Weights for a residual face network of any canvas, and the SHA-256 of their file."""

    width: int
    blocks: int
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """From a checkpoint that `training.facebase` wrote."""
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


@cache
def load_base(path: Path = BASE) -> Base:
    """The shipped base, or another file's.

    Raises:
        UserError: the file is missing or damaged.
    """
    return Base.of_checkpoint(load_checkpoint(path, KIND), sha256_of(path))
