"""The shipped start: a generator that has seen many random dancers, and none in particular."""

from typing import Final

from dancenow.checkpoint import load_checkpoint
from dancenow.models.generator import Generator, GeneratorConfig

KIND: Final = "base"
"""Kind of the checkpoints that hold one."""
