"""Pretrained initial weights of the crop generator, trained on many rendered people.

`research.recipes.pretraining_task` trains them; `assets/base.md` is their card.
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
"""Checkpoint kind of pretrained generators."""


@dataclass(frozen=True, eq=False)
class PretrainedGenerator:
    """Initial weights, the sizes that they are for, and the SHA-256 of their file."""

    config: GeneratorConfig
    weights: dict[str, Tensor]
    sha256: str

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint, sha256: str) -> Self:
        """Read a checkpoint written by `research.recipes.pretraining_task`."""
        weights = {name: value.float() for name, value in checkpoint.part("generator").items()}
        return cls(GeneratorConfig.from_json(checkpoint.info.config["generator"]), weights, sha256)

    def load_into(self, generator: Generator) -> None:
        """Initialize `generator` with these weights.

        Raises:
            ValueError: the generator has other sizes.
        """
        if replace(generator.config, shade=self.config.shade) != self.config:
            raise ValueError(f"the pretrained weights are for {self.config}, not for {generator.config}")
        # Where one of the two has no shadow head, its weights are dropped, or stay random.
        known = generator.state_dict()
        generator.load_state_dict({**known, **{name: value for name, value in self.weights.items() if name in known}})


@cache
def load_pretrained_generator(path: Path = BASE) -> PretrainedGenerator:
    """Load the shipped weights of the crop generator, or another file.

    Raises:
        UserError: the file is missing or damaged.
    """
    return PretrainedGenerator.of_checkpoint(load_checkpoint(path, KIND), sha256_of(path))
