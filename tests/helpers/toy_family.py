"""A third generator family in one file: it learns the mean color of the person and renders a disc of that color."""

from collections import abc
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.execution import Execution
from dancenow.face.config import FaceConfig
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.progress import ProgressCallback
from dancenow.rendering.layer import Layer, feet_y_px
from dancenow.skeleton import INDEX
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.frame_selection import read_selected_frames, select_frames
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision
from dancenow.types import FrameStatus, PoseTrack

KIND: Final = "toy"


@dataclass(frozen=True)
class ToyConfig:
    """rate: fraction of the way to the true color in each step."""

    family: ClassVar[str] = "toy"

    rate: float = 0.5
    face: FaceConfig = field(default_factory=FaceConfig)
    perceptual_depth: int = 1
    body_px: int = 64
    images_per_step: int = 1
    is_pretrained: bool = False
    precision: Precision = "float32"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class ToyTask:
    """Moves a color towards the person's mean color."""

    images_per_step: Final = 1

    def __init__(self, true_rgb: torch.Tensor, config: ToyConfig, kept: Checkpoint) -> None:
        self.rgb, self._true_rgb, self._config, self._kept = torch.zeros(3), true_rgb, config, kept

    def step(self, _rng: np.random.Generator, _progress: float, /) -> Mapping[str, float]:
        """One step."""
        self.rgb += self._config.rate * (self._true_rgb - self.rgb)
        return {"error": float((self.rgb - self._true_rgb).abs().mean())}

    def shrink(self) -> bool:
        """There is nothing to shrink."""
        return False

    def model(self, clock: Clock) -> Checkpoint:
        """The color and the target."""
        info = replace(self._kept.info, config=self._config.to_json(), images_seen=clock.images, train_seconds=clock.seconds)
        return Checkpoint(info, {**self._kept.tensors, "generator.rgb": self.rgb.clone()})

    def state(self, clock: Clock) -> Checkpoint:
        """The color."""
        info = replace(self._kept.info, kind="training-state", config={"seed": 0}, images_seen=clock.images)
        return Checkpoint(info, {"rgb": self.rgb.clone()})

    def restore(self, state: Checkpoint) -> None:
        """Continue from `state`."""
        self.rgb = state.tensors["rgb"].clone()

    def preview(self) -> NDArray[np.uint8]:
        """A square of the color."""
        return np.full((8, 8, 3), self.rgb.numpy(), np.uint8)


class ToyRenderer:
    """A disc at the neck, as a whole frame."""

    has_temporal_filter: Final = False
    run_up_frames: Final = 0

    def __init__(self, rgb: torch.Tensor, target: Target) -> None:
        self.target, self._rgb = target, [int(each) for each in rgb.round()]

    def render(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Layer | None]:
        """See `Renderer.render`."""
        feet = feet_y_px(track.pose)
        for frame in frames.tolist():
            if track.status[frame] == FrameStatus.MISSING:
                yield None
                continue
            rgba = np.zeros((track.height_px, track.width_px, 4), np.uint8)
            x, y = (round(float(each)) for each in track.pose.xy[frame, INDEX["neck"]])
            yield Layer(np.asarray(cv2.circle(rgba, (x, y), 10, (*self._rgb, 255), -1), np.uint8), None, float(feet[frame]))


class ToyFamily:
    """See `generators.base.GeneratorFamily`."""

    kind: Final = KIND
    presets: Final = {"disc": ToyConfig()}
    training_modules: Final = (__name__,)
    generates_background: Final = False
    adjustable: Final[tuple[str, ...]] = ()

    def config_from_json(self, data: Mapping[str, Any]) -> ToyConfig:
        """The inverse of `ToyConfig.to_json`."""
        return ToyConfig(**{**data, "face": FaceConfig(**data["face"])})

    def create_task(
        self,
        subject: Subject,
        config: ToyConfig,
        *,
        seed: int,  # noqa: ARG002
        perceptual: PerceptualDistance,  # noqa: ARG002
        device: torch.device,  # noqa: ARG002
        on_progress: ProgressCallback,
    ) -> ToyTask:
        """The person's mean color over some frames."""
        colors = []
        for frame, mask in read_selected_frames(subject, select_frames(subject, "train", 1, 8), on_progress):
            large = cv2.resize(mask, (frame.image_rgb.shape[1], frame.image_rgb.shape[0]))
            colors.append(frame.image_rgb[large > 200].mean(axis=0))
        true_rgb = torch.from_numpy(np.mean(colors, axis=0)).float()
        return ToyTask(true_rgb, config, Target.of_subject(subject).to_checkpoint(KIND))

    def load_renderer(self, checkpoint: Checkpoint, _execution: Execution, /) -> ToyRenderer:
        """The renderer of a toy model."""
        return ToyRenderer(checkpoint.tensors["generator.rgb"], Target.of_checkpoint(checkpoint))
