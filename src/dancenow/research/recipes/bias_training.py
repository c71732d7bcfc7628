"""Training of the bias correction network: detected tracks of rendered people with their exact keypoints."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from dancenow.pose.detectors.bias_correction import LIMB_MIRROR, Motion, grid_of, motion_of, scales
from dancenow.pose.filtering.smoothing import SmoothConfig, smooth
from dancenow.research.recipes.bias_network import KIND, BiasCorrectionNetwork
from dancenow.skeleton import MIRROR, NUM_KEYPOINTS
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, with_prefix
from dancenow.training.ema import update_average
from dancenow.training.loop import Clock
from dancenow.types import FloatArray, PoseTrack

RECIPE: Final = 1
SMOOTHING: Final = SmoothConfig(sigma_s=0.035)
"""Of the tracks that are learned from. In use jitter is damped after the correction, whose own jitter that damps, too."""


@dataclass(frozen=True, eq=False)
class Example:
    """One person's detected motion, and the truth [G,K,3] in the same units and relative to the same center."""

    motion: Motion
    truth: FloatArray


@dataclass(frozen=True)
class CorrectionConfig:
    """clips_per_step, frames: of a batch. steady: weight of velocity and acceleration errors relative to position errors.
    depth_weight: weight of depth relative to x. hidden_fractions: fraction of hidden keypoints, one of these for each clip.
    turn_rad, zoom: standard deviations of the rotation and scale augmentation."""

    clips_per_step: int = 24
    frames: int = 96
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    dropout: float = 0.1
    steady: float = 2.0
    depth_weight: float = 0.5
    hidden_fractions: tuple[float, ...] = (0.0, 0.0, 0.1, 0.4)
    turn_rad: float = 0.08
    zoom: float = 0.05


def example_of(detected: PoseTrack, exact: PoseTrack) -> Example:
    """An example from a detected track (before smoothing) and the exact track of the same frames."""
    smoothed = smooth(detected, SMOOTHING)
    size_px, center_px = scales(smoothed)
    place = (exact.pose.xy - center_px[:, None]) / size_px[:, None, None]
    truth = np.concatenate([place, (exact.pose.depth / size_px[:, None])[..., None]], axis=-1).reshape(len(exact), -1)
    grid_s = grid_of(smoothed.time_s)
    resampled = np.stack([np.interp(grid_s, smoothed.time_s, column) for column in truth.T], axis=1)
    return Example(motion_of(smoothed, detected), resampled.reshape(len(grid_s), NUM_KEYPOINTS, 3).astype(np.float32))


class CorrectionTask:
    """Trains a bias correction network from scratch; the stored weights are a moving average."""

    def __init__(self, examples: Sequence[Example], config: CorrectionConfig, *, seed: int) -> None:
        """Raises:
        ValueError: an example is shorter than a clip of a batch.
        """
        if min(len(each.truth) for each in examples) < config.frames:
            raise ValueError(f"every example needs {config.frames} frames or more")
        torch.manual_seed(seed)
        self._config, self._seed, self._examples = config, seed, examples
        self.images_per_step = config.clips_per_step * config.frames
        self.corrector = BiasCorrectionNetwork(config.dropout)
        self.average, self._images = deepcopy(self.corrector), 0
        self._optimizer = torch.optim.AdamW(
            self.corrector.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def step(self, rng: np.random.Generator, progress: float) -> dict[str, float]:
        """One training step; terms: position, velocity and acceleration, mean errors relative to the body size."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * (1 - min(progress, 1.0)) ** 0.5
        keypoints, limbs, truth, visible = self._batch(rng)
        off = (keypoints[..., :3] + self.corrector(keypoints, limbs) - truth) * visible
        off = off * off.new_tensor([1.0, 1.0, self._config.depth_weight])
        speed = off[:, 1:] - off[:, :-1]
        terms = {"place": _mean(off), "speed": _mean(speed), "acceleration": _mean(speed[:, 1:] - speed[:, :-1])}
        self._optimizer.zero_grad()
        (terms["place"] + self._config.steady * (terms["speed"] + terms["acceleration"])).backward()
        self._optimizer.step()
        self._images += self.images_per_step
        update_average(self.average, self.corrector, self.images_per_step, self._images)
        return {name: float(term.detach()) for name, term in terms.items()}

    def model(self, clock: Clock) -> Checkpoint:
        """The checkpoint that `pose.detectors.bias_correction` reads."""
        config = {"seed": self._seed, "recipe": RECIPE, "dancers": len(self._examples)}
        tensors = with_prefix("corrector", {name: each.half() for name, each in self.average.state_dict().items()})
        return Checkpoint(CheckpointInfo(KIND, config, clock.images, clock.seconds), tensors)

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Keypoints [N,G,K,6], limbs [N,L], truth [N,G,K,3], and visibility [N,1,K,1]."""
        config, count, frames = self._config, self._config.clips_per_step, self._config.frames
        chosen = [self._examples[i] for i in rng.integers(len(self._examples), size=count)]
        starts = [int(rng.integers(len(each.truth) - frames + 1)) for each in chosen]
        parts = [
            (e.motion.keypoints[at : at + frames], e.truth[at : at + frames]) for e, at in zip(chosen, starts, strict=True)
        ]
        keypoints, truth = (torch.from_numpy(np.stack(each)) for each in zip(*parts, strict=True))
        limbs = torch.from_numpy(np.stack([each.motion.limbs for each in chosen]))
        flip = torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None]
        keypoints = torch.where(flip, mirrored(keypoints, (0, 4)), keypoints)
        truth = torch.where(flip, mirrored(truth, (0,)), truth)
        limbs = torch.where(flip[:, :, 0, 0], limbs[:, LIMB_MIRROR], limbs)
        turn = rng.normal(0, config.turn_rad, count)
        zoom = torch.from_numpy(np.exp(rng.normal(0, config.zoom, count))).float()
        matrix = torch.from_numpy(np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])).float()
        matrix = matrix.permute(2, 0, 1) * zoom[:, None, None]
        keypoints, truth = _turned(keypoints, matrix, zoom), _turned(truth, matrix, zoom)
        fraction = rng.choice(config.hidden_fractions, (count, 1))
        visible = torch.from_numpy((rng.random((count, NUM_KEYPOINTS)) >= fraction).astype(np.float32))[:, None, :, None]
        return keypoints * visible, limbs * zoom[:, None], truth, visible


def mirrored(values: Tensor, across: tuple[int, ...]) -> Tensor:
    """Mirror values, as `pose.detectors.bias_correction.mirrored_values` does."""
    sign = torch.ones(values.shape[-1])
    sign[list(across)] = -1
    return values[..., torch.from_numpy(MIRROR), :] * sign


def _turned(values: Tensor, matrix: Tensor, zoom: Tensor) -> Tensor:
    """Rotate and scale values [N,G,K,C]: x, y and, of six channels, the smoothing residual by matrix [N,2,2]; depth by zoom
    [N]."""
    parts = [torch.einsum("nij,ngkj->ngki", matrix, values[..., :2]), values[..., 2:3] * zoom[:, None, None, None]]
    if values.shape[-1] > 3:
        parts += [values[..., 3:4], torch.einsum("nij,ngkj->ngki", matrix, values[..., 4:])]
    return torch.cat(parts, dim=-1)


def _mean(off: Tensor) -> Tensor:
    """Mean absolute value; smooth at 0."""
    return (off.square() + 1e-5).sqrt().mean()
