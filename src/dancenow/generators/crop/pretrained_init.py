"""The shipped starts: a generator and a face network that have seen many random dancers, and none in particular.

`research.recipes.pretraining_task` and `research.recipes.face_pretraining_task` train them, `research.recipes.train_base`
and `train_face_base.py` are the recipes,
`assets/base.md` and `face_base.md` the cards.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Self

from torch import Tensor

from dancenow.assets import BASE
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.checkpoint import Checkpoint, load_checkpoint

KIND: Final = "base"
"""Kind of the checkpoints that hold one."""


@dataclass(frozen=True, eq=False)
class Base:
    """Weights to start from, the sizes that they are for, and the SHA-256 of their file."""

    config: GeneratorConfig
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """From a checkpoint that `research.recipes.pretraining_task` wrote."""
        weights = {name: value.float() for name, value in checkpoint.part("generator").items()}
        return cls(GeneratorConfig.from_json(checkpoint.info.config["generator"]), weights, sha256)

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


@cache
def load_base(path: Path = BASE) -> Base:
    """The shipped base, or another file's.

    Raises:
        UserError: the file is missing or damaged.
    """
    return Base.of_checkpoint(load_checkpoint(path, KIND), sha256_of(path))
