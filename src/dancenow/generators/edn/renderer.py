"""Renders with a whole-frame model: the network generates everything, background included."""

from collections import abc
from collections.abc import Iterator
from dataclasses import fields
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.execution import Execution
from dancenow.generators.edn.network import EdnGenerator, EdnNetworkConfig
from dancenow.generators.target_frame import error_of_version, require_target_frame
from dancenow.pose.letterbox import Letterbox
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

RUN_UP: Final = 3
"""Frames generated before a single frame that needs those before it."""


class EdnRenderer:
    """The `Renderer` of a whole-frame checkpoint: the network paints everything, background included."""

    def __init__(self, generator: EdnGenerator, target: Target, execution: Execution, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for generators that were trained so."""
        self.target = target
        self._generator, self._device, self._execution = generator, execution.torch_device, execution
        self._half = self._device.type == "cuda" and half
        box = Letterbox.of_frame(target.track.width_px, target.track.height_px, generator.config.longer_px)
        self._box = box if generator.enhancer is None else box.doubled()

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Ready to paint.

        Raises:
            UserError: the checkpoint was made by a version of dancenow whose networks were others.
        """
        try:
            recipe = checkpoint.info.config["recipe"]
            config = EdnNetworkConfig(**{each.name: recipe[each.name] for each in fields(EdnNetworkConfig)})
            generator = EdnGenerator(config, enhanced=checkpoint.info.config["enhanced"])
            generator.load_state_dict(checkpoint.part("generator"))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise error_of_version(checkpoint) from error
        generator.to(execution.torch_device).eval().requires_grad_(False)
        half = recipe["precision"] == "bfloat16" and execution.precision == "auto"
        return cls(generator, Target.of_checkpoint(checkpoint), execution, half=half)

    def render(self, track: PoseTrack, start: int = 0, stop: int | None = None) -> abc.Generator[ImageRGB]:
        """See `Renderer.render`."""
        require_target_frame(track, self.target)
        drawn = self._box.apply(track.pose)
        past: Tensor | None = None
        for index in range(start, len(track) if stop is None else stop):
            if track.status[index] == FrameStatus.MISSING:
                past = None
                yield self.target.plate.image_rgb.copy()
            else:
                picture, past = self._generate(drawn[index], past)
                canvas = picture[0].float().add(1).mul(127.5).round().clamp(0, 255).byte()
                yield self._box.take_back(canvas.permute(1, 2, 0).cpu().numpy())

    def render_frames(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[ImageRGB]:
        """See `Renderer.render_frames`."""
        yield from _last_of_each(self, track, frames)

    @torch.inference_mode()
    def _generate(self, pose: Pose, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """The picture [1,3,H,W] of one pose (canvas px), and what the next one sees of it."""
        xy, confidence = (torch.from_numpy(x[None]).to(self._device) for x in (pose.xy, pose.confidence))
        with self._execution.limited_threads():
            maps = self._generator.draw(xy, confidence, self._box)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                picture = self._generator(maps, self._generator.start(maps) if past is None else past)
            return picture, self._generator.remember(maps, picture)


def _last_of_each(renderer: EdnRenderer, track: PoseTrack, frames: NDArray[np.int64]) -> Iterator[ImageRGB]:
    """Single pictures of painters whose pictures need those before: the last of a short run each."""
    for index in frames.tolist():
        *_, picture = renderer.render(track, max(index - RUN_UP, 0), index + 1)
        yield picture
