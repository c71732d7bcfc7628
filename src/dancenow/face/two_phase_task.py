"""Two trainings in one budget: first the body, then its face, on what the body paints by then.

The body's schedule runs on its own share of the budget, so a budget with a face is a shorter training of the body and a short
one of the face. One model file, one state, one clock: whatever is interrupted goes on where it was.
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
    """What is trained when the body is there: one file per kind of face network."""

    kind: str
    images_per_step: int

    def begin(self, body: Checkpoint) -> None:
        """Make ready what is learnt from, with the body's finished model; the same body gives the same."""

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """One optimizer step at `share` of the face's own budget; returns its loss terms by name."""

    def shrink(self) -> bool:
        """As `loop.Task.shrink`."""

    def describe(self) -> Mapping[str, Any]:
        """The network, as plain data for the model's header."""

    def tensors(self) -> Mapping[str, Tensor]:
        """What the model carries of it, by name."""

    def modules(self) -> Mapping[str, nn.Module]:
        """All networks by name, for the state."""

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """All optimizers by name, for the state."""

    def preview(self) -> NDArray[np.uint8]:
        """A picture [H,W,3] RGB of how it is going."""


class BodyThenFace:
    """A `loop.Task`: another task, and from `1 - share` of the budget on a face phase."""

    def __init__(self, body: Task, face: FacePhase, share: float) -> None:
        self.body, self.face, self._begins_at = body, face, 1 - share
        self._body_images: int | None = None
        """Images of the body alone, once the face has begun."""
        self._seen = 0

    @property
    def images_per_step(self) -> int:
        """Of the present phase."""
        return self.body.images_per_step if self._body_images is None else self.face.images_per_step

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        if share >= self._begins_at and self._body_images is None:
            self._begin(self._seen)
        if self._body_images is None:
            terms = self.body.step(rng, share / self._begins_at)
        else:
            terms = self.face.step(rng, (share - self._begins_at) / (1 - self._begins_at))
        self._seen += self.images_per_step
        return terms

    def _begin(self, body_images: int) -> None:
        self.face.begin(self.body.model(Clock(images=body_images)))
        self._body_images = body_images

    def shrink(self) -> bool:
        """See `loop.Task.shrink`."""
        return self.body.shrink() if self._body_images is None else self.face.shrink()

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`: the body's model, with the face's network once there is one."""
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
            UserError: as the body's; the training had another kind of face, or none.
        """
        config = dict(state.info.config)
        kind = config.pop("face_kind", "none")
        if kind != self.face.kind:
            raise TrainingError(
                f"the training to resume has --face {kind}; go on with that, or start it anew without --resume."
            )
        self.body.restore(replace(state, info=replace(state.info, config=config)))
        self._seen = state.info.images_seen
        if "body_images" in state.tensors:
            self._begin(int(state.tensors["body_images"]))
            restore_state(state, self.face.modules(), self.face.optimizers())

    def preview(self) -> NDArray[np.uint8]:
        """See `loop.Task.preview`: of the phase that is on."""
        return self.body.preview() if self._body_images is None else self.face.preview()


def described(info: CheckpointInfo) -> Mapping[str, Any] | None:
    """What a model's header says of its face network; None where there is none."""
    found: Mapping[str, Any] | None = info.config.get("face_network")
    return found
