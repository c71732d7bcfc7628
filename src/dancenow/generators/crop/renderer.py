"""Renders the layers of a crop model: color and alpha in a square that follows the person.

The background is composited at its own resolution, so it is exact and steady.
"""

from collections import abc
from collections.abc import Iterator
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.execution import Execution
from dancenow.generators.crop.inference_backends import EagerBackend, InferenceBackend, select_backend
from dancenow.generators.crop.network import POSE_STRIDE, Generator, GeneratorConfig
from dancenow.generators.target_frame import error_of_version, require_target_frame
from dancenow.pose.conditioning.pose_maps import draw_pose
from dancenow.pose.person_crop import TrackCrops, track_crop
from dancenow.prefetch import map_in_order, prefetch
from dancenow.rendering.layer import Layer, feet_y_px
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, Pose, PoseTrack

MAPS_PER_BATCH: Final = {False: 4, True: 32}
"""Poses whose maps are drawn together, on a CPU and on a GPU: fewer calls, and still few maps in memory."""


class CropRenderer:
    """The `Renderer` of the crop family. Drawing poses and generating overlap: each runs in threads of its own."""

    has_temporal_filter: Final = True
    run_up_frames: Final = 0

    def __init__(self, generator: Generator, backend: InferenceBackend, target: Target, execution: Execution) -> None:
        """backend: what runs the generator."""
        self.target = target
        self.backend = backend
        self._generator, self._device, self._execution = generator, execution.torch_device, execution

    @classmethod
    def load(cls, checkpoint: Checkpoint, execution: Execution) -> Self:
        """Load a checkpoint of this family.

        Raises:
            UserError: another version of dancenow wrote it, with other networks.
        """
        generator = load_generator(checkpoint, execution.torch_device)
        backend = select_backend(generator) if execution.precision == "auto" else EagerBackend(generator)
        return cls(generator, backend, Target.of_checkpoint(checkpoint), execution)

    def render(self, track: PoseTrack, frames: NDArray[np.int64]) -> abc.Generator[Layer | None]:
        """See `Renderer.render`."""
        require_target_frame(track, self.target)
        canvas_px, is_present = self._generator.config.canvas_px, track.status[frames] != FrameStatus.MISSING
        crops = track_crop(track.pose, track.time_s, canvas_px, track.cuts, bottom_px=track.height_px)[frames]
        with prefetch(self._inputs(track, frames, crops), room=2) as inputs:
            for rgba, crop, frame in zip(self._generate_all(inputs, is_present), crops, frames, strict=True):
                feet_px = float(feet_y_px(track.pose[frame : frame + 1])[0])
                yield None if rgba is None else Layer(rgba, crop.resized(len(rgba)), feet_px)

    def _inputs(self, track: PoseTrack, frames: NDArray[np.int64], crops: TrackCrops) -> Iterator[tuple[Any, ...]]:
        """What `_generate` takes for each frame; the first is what the generator takes, [1,C,S/4,S/4]."""
        return ((maps,) for maps in self._maps(track, frames, crops))

    def _generate_all(
        self, inputs: Iterator[tuple[Any, ...]], is_present: NDArray[np.bool_]
    ) -> Iterator[NDArray[np.float32] | None]:
        """Generate every frame; on a CPU two at a time, each on its own core."""

        def generate(frame: tuple[tuple[Any, ...], np.bool_]) -> NDArray[np.float32] | None:
            if not frame[1]:
                return None
            with torch.inference_mode(), self._execution.limited_threads():
                return np.ascontiguousarray(self._generate(*frame[0])[0].permute(1, 2, 0).cpu().numpy())

        at_once = 1 if self._device.type == "cuda" else 2
        return map_in_order(generate, zip(inputs, is_present, strict=True), at_once)

    def _generate(self, *inputs: Any) -> Tensor:
        """Generate one frame: RGBA [1,4,S,S]."""
        (maps,) = inputs
        return self.backend(maps)

    @torch.inference_mode()
    def _draw(self, poses: Pose, crops: TrackCrops) -> Tensor:
        """Draw the maps [N,C,S/4,S/4] of some poses (frame px)."""
        canvas_px = self._generator.config.canvas_px
        xy, confidence, depth = self._on_canvas(poses, crops)
        with self._execution.limited_threads():
            return draw_pose(xy, confidence, depth, canvas_px, canvas_px // POSE_STRIDE)

    def _on_canvas(self, poses: Pose, crops: TrackCrops) -> tuple[Tensor, Tensor, Tensor]:
        """Keypoints [N,K,2] in canvas px of some poses (frame px), their confidence and depth [N,K]."""
        on_canvas = [crop.apply(poses[index]) for index, crop in enumerate(crops)]
        arrays = (np.stack([getattr(pose, name) for pose in on_canvas]) for name in ("xy", "confidence", "depth"))
        xy, confidence, depth = (torch.from_numpy(a).to(self._device) for a in arrays)
        return xy, confidence, depth

    def _maps(self, track: PoseTrack, frames: NDArray[np.int64], crops: TrackCrops) -> Iterator[Tensor]:
        """Draw the maps [1,C,S/4,S/4] of each of some frames [N] with these crops [N], several at once."""
        batch = MAPS_PER_BATCH[self._device.type == "cuda"]
        for first in range(0, len(crops), batch):
            part = slice(first, first + batch)
            yield from self._draw(track.pose[frames[part]], crops[part]).split(1)


def load_generator(checkpoint: Checkpoint, device: torch.device) -> Generator:
    """Load the generator of a crop model, for inference.

    Raises:
        UserError: another version of dancenow wrote it, with other networks.
    """
    try:
        generator = Generator(GeneratorConfig.from_json(checkpoint.info.config["generator"]))
        generator.load_state_dict(checkpoint.part("generator"))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise error_of_version(checkpoint) from error
    return generator.to(device).eval().requires_grad_(False)
