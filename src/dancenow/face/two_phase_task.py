"""Two trainings in one budget: first the body, then its face, on images rendered by the trained body generator.

The body's schedule runs on its own part of the budget, so a budget with a face is a shorter training of the body and a short
one of the face. There is one model file, one state and one clock; an interrupted training resumes where it stopped.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dancenow.errors import TrainingError
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.training.loop import Clock, Task
from dancenow.training.state import restore_state, state_tensors


class FacePhase(Protocol):
    """The training that follows the body's: one class per kind of face network."""

    kind: str
    images_per_step: int

    def begin(self, body: Checkpoint) -> None:
        """Prepare the training data with the body's finished model; the same body gives the same data."""

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """Take one optimizer step at `progress` in [0,1] of the face's own budget; return its loss terms by name."""

    def shrink(self) -> bool:
        """As `loop.Task.shrink`."""

    def describe(self) -> Mapping[str, Any]:
        """Describe the network as plain data for the model's header."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors to store in the model, by name."""

    def modules(self) -> Mapping[str, nn.Module]:
        """All networks by name, for the training state."""

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """All optimizers by name, for the training state."""

    def preview(self) -> NDArray[np.uint8]:
        """A preview image [H,W,3] RGB."""


class BodyThenFace:
    """A `loop.Task`: another task, and a face phase for the last `budget_fraction` of the budget."""

    def __init__(self, body: Task, face: FacePhase, budget_fraction: float) -> None:
        self.body, self.face, self._face_start = body, face, 1 - budget_fraction
        self._body_images: int | None = None
        """Images seen by the body, once the face phase has begun."""
        self._seen = 0

    @property
    def images_per_step(self) -> int:
        """Of the current phase."""
        return self.body.images_per_step if self._body_images is None else self.face.images_per_step

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        if progress >= self._face_start and self._body_images is None:
            self._begin(self._seen)
        if self._body_images is None:
            terms = self.body.step(rng, progress / self._face_start)
        else:
            terms = self.face.step(rng, (progress - self._face_start) / (1 - self._face_start))
        self._seen += self.images_per_step
        return terms

    def _begin(self, body_images: int) -> None:
        self.face.begin(self.body.model(Clock(images=body_images)))
        self._body_images = body_images

    def shrink(self) -> bool:
        """See `loop.Task.shrink`."""
        return self.body.shrink() if self._body_images is None else self.face.shrink()

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`: the body's model, with the face network once its training has begun."""
        body = self.body.model(clock)
        if self._body_images is None:
            return body
        info = replace(body.info, config={**body.info.config, "face_network": {"kind": self.face.kind, **self.face.describe()}})
        return Checkpoint(info, {**body.tensors, **self.face.tensors()})

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        body = self.body.state(clock)
        tensors = dict(body.tensors)
        if self._body_images is not None:
            tensors |= state_tensors(self.face.modules(), self.face.optimizers())
            tensors |= {"body_images": torch.tensor(self._body_images)}
        return Checkpoint(replace(body.info, config={**body.info.config, "face_kind": self.face.kind}), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: as for the body; or the training had another kind of face network, or none.
        """
        config = dict(state.info.config)
        kind = config.pop("face_kind", "none")
        if kind != self.face.kind:
            raise TrainingError(f"the training to resume has --face {kind}; resume with that, or start again without --resume.")
        self.body.restore(replace(state, info=replace(state.info, config=config)))
        self._seen = state.info.images_seen
        if "body_images" in state.tensors:
            self._begin(int(state.tensors["body_images"]))
            restore_state(state, self.face.modules(), self.face.optimizers())

    def preview(self) -> NDArray[np.uint8]:
        """See `loop.Task.preview`: of the current phase."""
        return self.body.preview() if self._body_images is None else self.face.preview()


def face_network_of(info: CheckpointInfo) -> Mapping[str, Any] | None:
    """The description of the face network in a model's header; None where there is none."""
    description: Mapping[str, Any] | None = info.config.get("face_network")
    return description
