"""Renders the layers of a model with references: the crop renderer, whose generator also sees the warped pictures.

Which pictures show which part is chosen for the whole dance at once, so that any part of it is rendered alike. Where the
frame is finer than the canvas, images are, too, see `image_finishing`.
"""

import math
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.execution import Execution
from dancenow.generators.crop.inference_backends import EagerBackend, InferenceBackend, select_backend
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.crop.renderer import CropRenderer
from dancenow.generators.references.dance_choice import DanceChoice, DanceDistances
from dancenow.generators.references.fine_pictures import FinePictures
from dancenow.generators.references.image_finishing import finish_image
from dancenow.generators.references.network import ReferenceGenerator
from dancenow.generators.references.picture_warper import create_warper
from dancenow.generators.references.prepared_pictures import FINE_PER_CANVAS_PX
from dancenow.generators.references.reference_choice import ReferenceChoice
from dancenow.generators.references.reference_selection import ReferenceOptions
from dancenow.generators.references.reference_set import PREFIX, ReferenceSet
from dancenow.generators.target_frame import error_of_version
from dancenow.pose.person_crop import TrackCrops
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import PoseTrack

_BATCH: Final = 4
"""Poses that are warped together."""
_FINE_FROM: Final = 1.15
"""Frame px per canvas px, and px of the pictures per canvas px, from which finer images show more."""
_STEPS: Final = 8
"""Images are so many eighths as large as the canvas."""


class ReferenceRenderer(CropRenderer):
    """See the module. If the dance is the model's own footage, pictures of the same moment are not used, as in training."""

    def __init__(
        self,
        generator: ReferenceGenerator,
        backend: InferenceBackend,
        target: Target,
        execution: Execution,
        references: ReferenceSet,
        options: ReferenceOptions,
    ) -> None:
        super().__init__(generator, backend, target, execution)
        self._references, self._options = references, options
        self._warper = create_warper(references, generator.config.canvas_px, execution.torch_device)

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Load a checkpoint of this family.

        Raises:
            UserError: another version of dancenow wrote it, with other networks, or its pictures are damaged.
        """
        references = load_references(checkpoint)
        generator, options = load_generator(checkpoint, execution.torch_device)
        generator.gives_plan = True
        backend = select_backend(generator) if execution.precision == "auto" else EagerBackend(generator)
        return cls(generator, backend, Target.of_checkpoint(checkpoint), execution, references, options)

    def _inputs(
        self, track: PoseTrack, frames: NDArray[np.int64], crops: TrackCrops
    ) -> Iterator[tuple[Tensor, FinePictures, int]]:
        """For each frame pose maps and warped references, [1,C,S/4,S/4], the references, and the side of the image."""
        is_own = track.source_sha256 == self._references.source_sha256
        distances = DanceDistances(self._warper.pictures, track, self._options.gap_s if is_own else None)
        with self._execution.limited_threads():
            chosen = DanceChoice(distances, track, self._options.slots)
        maps, side_px = self._maps(track, frames, crops), self._side_px(crops)
        for first in range(0, len(frames), _BATCH):
            wanted = frames[first : first + _BATCH]
            with torch.inference_mode(), self._execution.limited_threads():
                on_canvas = self._on_canvas(track.pose[wanted], crops[first : first + _BATCH])
                choice = ReferenceChoice(*(self._on_device(each) for each in chosen[wanted]))
                warped, finely = self._warper.warp_finely(*on_canvas, choice, self._on_device(distances[wanted]))
            for coarse, fine in zip(warped.split(1), finely, strict=True):
                both = torch.cat([next(maps), coarse], dim=1)
                yield both, fine if side_px > self._generator.config.canvas_px else fine.halved(), side_px

    def _side_px(self, crops: TrackCrops) -> int:
        """The side of all images of a call: as fine as frame and pictures are, up to `FINE_PER_CANVAS_PX` times the canvas."""
        canvas_px = self._generator.config.canvas_px
        frame_px_per_canvas_px = float(np.median(1 / (canvas_px / crops.sides_px))) if len(crops) else 0.0
        finest = min(frame_px_per_canvas_px, self._references.px_per_canvas_px)
        if finest <= _FINE_FROM:
            return canvas_px
        steps = FINE_PER_CANVAS_PX * _STEPS if self._device.type == "cuda" else math.ceil(finest * _STEPS)
        return canvas_px * min(steps, FINE_PER_CANVAS_PX * _STEPS) // _STEPS

    def _generate(self, *inputs: Any) -> Tensor:
        """Generate one frame: RGBA [1,4,S,S] or finer."""
        maps, pictures, side_px = inputs
        return finish_image(self.backend(maps), pictures, side_px)

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def load_references(checkpoint: Checkpoint) -> ReferenceSet:
    """Load the pictures of a model.

    Raises:
        ModelError: they are damaged.
    """
    return ReferenceSet.of_tensors(checkpoint.part(PREFIX), checkpoint.info.subject)


def load_generator(checkpoint: Checkpoint, device: torch.device) -> tuple[ReferenceGenerator, ReferenceOptions]:
    """Load the generator of a model, for inference, and how it uses its pictures.

    Raises:
        UserError: another version of dancenow wrote it, with other networks.
    """
    try:
        options = ReferenceOptions(**checkpoint.info.config["references"])
        generator = ReferenceGenerator(GeneratorConfig.from_json(checkpoint.info.config["generator"]), options.slots)
        generator.load_state_dict(checkpoint.part("generator"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise error_of_version(checkpoint) from error
    return generator.to(device).eval().requires_grad_(False), options
