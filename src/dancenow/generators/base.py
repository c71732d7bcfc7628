"""The protocols of a generator family: what training, transfer and the cache need to know about it.

A family is a folder with its configuration, network, dataset, task and renderer, a class that implements `GeneratorFamily`,
and one entry in `generators.registry.FAMILIES`.
"""

from collections import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import Execution
from dancenow.face.config import FaceConfig
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.loop import Task
from dancenow.training.precision import Precision
from dancenow.types import ImageRGB, PoseTrack


class Renderer(Protocol):
    """Renders the frames of a dance. It keeps nothing from one dance to the next."""

    target: Target

    def render(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
        """The frames [start, stop) of a dance, one by one, each uint8 [H,W,3] of the target's size.

        track: the whole dance in the target's frame px, from `PosePipeline.for_rendering`. Where nobody is there (MISSING), the
        frame is the empty room, and the next person starts without a previous frame.
        """

    def render_frames(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
        """Some frames [N] of a dance, increasing, as `render` gives them but without the temporal filter.

        Where a frame needs the one before, a few frames are generated before each of them, instead of all.
        """


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
