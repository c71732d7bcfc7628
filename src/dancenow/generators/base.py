"""The protocols of a generator family: what training, transfer and the cache need to know about it.

A family is a folder with its configuration, network, dataset, task and renderer, a class that implements `GeneratorFamily`,
and one entry in `generators.registry.FAMILIES`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import torch

from dancenow.execution import Execution
from dancenow.face.config import FaceConfig
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.rendering.renderer import Renderer
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.training.loop import Task
from dancenow.training.precision import Precision


class FamilyConfig(Protocol):
    """The configuration of a family, as far as code outside of the family reads it."""

    family: ClassVar[str]
    """Name of the family in the registry."""

    @property
    def face(self) -> FaceConfig:
        """How the face is trained after the body."""

    @property
    def precision(self) -> Precision:
        """Precision of the networks in training, where the hardware has it."""

    @property
    def perceptual_depth(self) -> int:
        """Stages of the perceptual trunk that count."""

    @property
    def body_px(self) -> int:
        """Side of the generated image."""

    @property
    def images_per_step(self) -> int:
        """Images that one training step sees."""

    @property
    def is_pretrained(self) -> bool:
        """Whether training starts from weights that have learned from other people."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""


ConfigT = TypeVar("ConfigT", bound=FamilyConfig)


class GeneratorFamily(Protocol[ConfigT]):
    """One way to generate the person: its presets, its training and its renderer."""

    @property
    def kind(self) -> str:
        """Kind of the checkpoints that it writes and renders from."""

    @property
    def presets(self) -> Mapping[str, ConfigT]:
        """Its configurations by the names that users give."""

    @property
    def training_modules(self) -> tuple[str, ...]:
        """Full names of the modules that train a model; a cached one is trained again if they, or what they import, change."""

    @property
    def generates_background(self) -> bool:
        """Whether it generates whole frames, so that the person cannot be shown in another scene."""

    @property
    def adjustable(self) -> tuple[str, ...]:
        """Fields of its configuration that users may change along with a preset."""

    def config_from_json(self, data: Mapping[str, Any]) -> ConfigT:
        """The inverse of `FamilyConfig.to_json`."""

    def create_task(
        self,
        subject: Subject,
        config: ConfigT,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
        on_progress: ProgressCallback,
    ) -> Task:
        """Build what the training loop trains: the frames of the subject, the networks and their losses.

        Raises:
            UserError: there is too little footage to train on.
        """

    def load_renderer(self, checkpoint: Checkpoint, execution: Execution) -> Renderer:
        """The renderer of a checkpoint of its kind.

        Raises:
            UserError: another version of dancenow wrote it, with other networks.
        """
