"""Renders with a whole-frame model: the network generates everything, background included."""

from collections import abc
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
from dancenow.rendering.layer import Layer, feet_y_px
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, Pose, PoseTrack

RUN_UP_FRAMES: Final = 3
"""After these, an image hardly depends on the earlier ones."""


class EdnRenderer:
    """The `Renderer` of the edn family: opaque layers of whole frames. As in the paper, nothing is filtered afterwards."""

    has_temporal_filter: Final = False

    def __init__(self, generator: EdnGenerator, target: Target, execution: Execution, *, half: bool = False) -> None:
        """half: compute in bfloat16 on a GPU, for models that were trained in it."""
        self.target = target
        self._generator, self._device, self._execution = generator, execution.torch_device, execution
        self._half = self._device.type == "cuda" and half
        box = Letterbox.of_frame(target.track.width_px, target.track.height_px, generator.config.longer_px)
        self._box = box if generator.enhancer is None else box.doubled()

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Load a checkpoint of this family.

        Raises:
            UserError: another version of dancenow wrote it, with other networks.
        """
        try:
            config_json = checkpoint.info.config["recipe"]
            config = EdnNetworkConfig(**{each.name: config_json[each.name] for each in fields(EdnNetworkConfig)})
            generator = EdnGenerator(config, enhanced=checkpoint.info.config["enhanced"])
            generator.load_state_dict(checkpoint.part("generator"))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise error_of_version(checkpoint) from error
        generator.to(execution.torch_device).eval().requires_grad_(False)
        half = config_json["precision"] == "bfloat16" and execution.precision == "auto"
        return cls(generator, Target.of_checkpoint(checkpoint), execution, half=half)

    @property
    def run_up_frames(self) -> int:
        """See `Renderer.run_up_frames`."""
        return RUN_UP_FRAMES if self._generator.config.temporal else 0

    def render(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Layer | None]:
        """See `Renderer.render`."""
        require_target_frame(track, self.target)
        past: Tensor | None = None
        for index in frames.tolist():
            if track.status[index] == FrameStatus.MISSING:
                past = None
                yield None
            else:
                past = None if index in track.cuts else past
                pose = track.pose[index : index + 1]
                generated, past = self._generate(self._box.apply(pose)[0], past)
                canvas = generated[0].float().add(1).mul(127.5).round().clamp(0, 255).byte()
                yield Layer(self._box.take_back(canvas.permute(1, 2, 0).cpu().numpy()), None, float(feet_y_px(pose)[0]))

    @torch.inference_mode()
    def _generate(self, pose: Pose, past: Tensor | None) -> tuple[Tensor, Tensor]:
        """Generate the image [1,3,H,W] of one pose (canvas px), and what the next frame sees of it."""
        xy, confidence = (torch.from_numpy(x[None]).to(self._device) for x in (pose.xy, pose.confidence))
        with self._execution.limited_threads():
            maps = self._generator.draw(xy, confidence, self._box)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
                image = self._generator(maps, self._generator.first_past(maps) if past is None else past)
            return image, self._generator.next_past(maps, image)
