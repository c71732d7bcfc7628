"""Training of the spatial transformer: self-supervised on a single track, and on studio pairs with known truth.

Self-supervised: the same dance on another body's shape and in front of another camera must be mapped back. Both kinds of
example are a pair of tracks and the target position of every keypoint of the first in the second's image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dancenow.pose.retargeting.body_model import BodyModel, fit_body_model
from dancenow.pose.retargeting.camera_model import CameraModel
from dancenow.pose.retargeting.skeletal import SkeletalRetargeter
from dancenow.pose.retargeting.spatial_transformer import FRAMES, Inputs, chosen_frames, inputs_of, own_coordinates
from dancenow.research.recipes.stn_network import KIND, LocalizationNet, draw_heatmaps, move_points, move_tensor
from dancenow.research.studio.scene import Camera
from dancenow.research.studio.tracks import project_track
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, with_prefix
from dancenow.training.loop import Clock
from dancenow.types import FloatArray, Pose, PoseTrack

RECIPE: Final = 2
_CELLS: Final = 24


@dataclass(frozen=True, eq=False)
class Example:
    """One pair of inputs, and the truth: places [F,K,2] of the source's keypoints and their target positions.

    Both in heights from home, each in its own image; weight [F,K] is 0 for invisible keypoints.
    """

    inputs: Inputs
    places: FloatArray
    truth: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class WarpConfig:
    """images_per_step: pairs per step; the learning rate falls to 0 over the budget."""

    images_per_step: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 5e-2
    tensor_weight: float = 0.5


def example_of(source: PoseTrack, target: PoseTrack, truth: Pose) -> Example:
    """An example from a pair of tracks and the source's true poses in the target's image.

    Raises:
        UserError: a track shows too little of the body.
    """
    a, b = fit_body_model(source), fit_body_model(target)
    chosen = chosen_frames(source)
    weight = (source.pose.confidence[chosen] > 0) & (truth.confidence[chosen] > 0)
    places, wanted = own_coordinates(source.pose.xy[chosen], a), own_coordinates(truth.xy[chosen], b)
    return Example(inputs_of(source, a, target, b), places, wanted, weight.astype(np.float32))


def own_examples(track: PoseTrack, count: int, rng: np.random.Generator) -> Iterator[Example]:
    """Self-supervised examples: a part of a track, on another body in front of another camera, must be mapped back."""
    figure = fit_body_model(track)
    for _ in range(count):
        part = _part(track, rng)
        other = _vary_body(figure, rng)
        changed = SkeletalRetargeter(figure, other)(part.pose)
        turned = _rolled(changed, rng, other)
        source = replace(part, pose=turned, width_px=other.frame_width_px, height_px=other.frame_height_px)
        yield example_of(source, _part(track, rng), part.pose)


def studio_examples(
    dancers: Sequence[Mapping[str, NDArray[Any]]], count: int, fps: float, rng: np.random.Generator
) -> Iterator[Example]:
    """Examples of two bodies: the same dance, in meters (`tracks.phenotype_keypoints` by dance), seen by two cameras.

    dancers: for each body, world positions [T,K,3] by the name of the dance; all perform the same dances.
    """
    for _ in range(count):
        one, other = (dancers[i] for i in rng.choice(len(dancers), 2, replace=False))
        source_track, target_dance = rng.choice(sorted(one), 2)
        start, stop = _span(len(one[source_track]), fps, rng)
        begin, end = _span(len(other[target_dance]), fps, rng)
        source_view, target_view = random_view(rng), random_view(rng)
        source, truth = (
            project_track(one[source_track][start:stop], *source_view, fps),
            project_track(other[source_track][start:stop], *target_view, fps),
        )
        target = project_track(other[target_dance][begin:end], *target_view, fps)
        yield example_of(_noisy(source, rng), _noisy(target, rng), truth.pose)


class WarpTask:
    """Trains a localization network, from scratch or from given weights."""

    def __init__(self, examples: Sequence[Example], config: WarpConfig, *, seed: int, base: Checkpoint | None = None) -> None:
        torch.manual_seed(seed)
        self._config, self._seed = config, seed
        self.images_per_step = config.images_per_step
        self._inputs = tuple(
            torch.from_numpy(np.stack([getattr(example.inputs, field.name) for example in examples]))
            for field in fields(Inputs)
        )
        stacks = [np.stack([getattr(example, name) for example in examples]) for name in ("places", "truth", "weight")]
        self._places, self._truth, self._weight = (torch.from_numpy(stack) for stack in stacks)
        self.localization_net = LocalizationNet()
        if base is not None:
            self.localization_net.load_state_dict(base.part("localiser"))
        self._parents = base.info.parents if base is not None else ()
        self._optimizer = torch.optim.AdamW(
            self.localization_net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: a batch has a fixed size."""
        return False

    def step(self, rng: np.random.Generator, progress: float) -> dict[str, float]:
        """One step on pairs drawn by `rng`; terms: keypoints (mean distance in heights) and tensor (of the sampled
        heatmaps)."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * 0.5 * (1 + np.cos(np.pi * min(progress, 1.0)))
        rows = torch.from_numpy(rng.integers(0, len(self._places), self.images_per_step))
        frame = torch.from_numpy(rng.integers(0, FRAMES, self.images_per_step))
        theta = self.localization_net(*(each[rows] for each in self._inputs))
        points = self._distance(theta, rows)
        tensor = self._tensor_loss(theta, rows, frame)
        self._optimizer.zero_grad()
        (points + self._config.tensor_weight * tensor).backward()
        self._optimizer.step()
        return {"keypoints": float(points.detach()), "tensor": float(tensor.detach())}

    def error(self) -> float:
        """Mean distance of keypoints to the truth in heights, over all examples."""
        with torch.no_grad():
            return float(self._distance(self.localization_net(*self._inputs), torch.arange(len(self._places))))

    def model(self, clock: Clock) -> Checkpoint:
        """The localization network alone, as `pose.retargeting.spatial_transformer` reads it."""
        return Checkpoint(self._info(KIND, clock), with_prefix("localiser", self.localization_net.state_dict()))

    def state(self, clock: Clock) -> Checkpoint:
        """Weights and the optimizer's moments."""
        tensors = with_prefix("localiser", self.localization_net.state_dict())
        for i, moments in self._optimizer.state_dict()["state"].items():
            tensors |= with_prefix(f"optimizer.{i}", moments)
        return Checkpoint(self._info("training-state", clock), tensors)

    def restore(self, state: Checkpoint) -> None:
        """Restore `state` exactly."""
        self.localization_net.load_state_dict(state.part("localiser"))
        saved = self._optimizer.state_dict()
        count = len(list(self.localization_net.parameters()))
        moments = {i: state.part(f"optimizer.{i}") for i in range(count)}
        self._optimizer.load_state_dict({**saved, "state": {i: each for i, each in moments.items() if each}})

    def preview(self) -> NDArray[np.uint8]:
        """The first pair's pose tensor: truth in red, transformed source in green."""
        row = torch.zeros(1, dtype=torch.long)
        with torch.no_grad():
            theta = self.localization_net(*(each[row] for each in self._inputs))
            maps = draw_heatmaps(self._places[row, 0], self._weight[row, 0], 128)
            truth = draw_heatmaps(self._truth[row, 0], self._weight[row, 0], 128)
            green, red = move_tensor(theta, maps)[0].amax(dim=0), truth[0].amax(dim=0)
        image = torch.stack([red, green, torch.zeros_like(red)], dim=2).clamp(0, 1) * 255
        return image.to(torch.uint8).numpy()

    def _distance(self, theta: Tensor, rows: Tensor) -> Tensor:
        off = (move_points(theta, self._places[rows]) - self._truth[rows]).norm(dim=-1) * self._weight[rows]
        mean: Tensor = off.sum() / self._weight[rows].sum().clamp_min(1)
        return mean

    def _tensor_loss(self, theta: Tensor, rows: Tensor, frame: Tensor) -> Tensor:
        weight = self._weight[rows, frame]
        moved = move_tensor(theta, draw_heatmaps(self._places[rows, frame], weight, _CELLS))
        wanted = draw_heatmaps(self._truth[rows, frame], weight, _CELLS)
        return functional.mse_loss(moved, wanted) / wanted.square().mean().clamp_min(1e-6)

    def _info(self, kind: str, clock: Clock) -> CheckpointInfo:
        config = {"seed": self._seed, "recipe": RECIPE, "pairs": len(self._places)}
        return CheckpointInfo(kind, config, clock.images, clock.seconds, parents=self._parents)


def load_transformer(path: Any) -> Checkpoint:
    """Read a trained transformer's checkpoint to continue from.

    Raises:
        UserError: missing, damaged, or of another kind.
    """
    return load_checkpoint(path, KIND)


def _span(count: int, fps: float, rng: np.random.Generator) -> tuple[int, int]:
    """Frames of a random part of 6 to 25 s."""
    length = min(count, round(fps * rng.uniform(6, 25)))
    start = int(rng.integers(0, count - length + 1))
    return start, start + length


def _part(track: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    start, stop = _span(len(track), track.fps, rng)
    return replace(track, pose=track.pose[start:stop], time_s=track.time_s[start:stop], status=track.status[start:stop])


def random_view(rng: np.random.Generator) -> tuple[Camera, int, int]:
    """Draw a typical camera placement and its frame size: near or far, from knee to above head height, slightly rotated."""
    width_px, height_px = ((512, 512), (720, 1280), (1280, 720), (640, 480))[rng.integers(4)]
    away_m = rng.uniform(3.2, 6.5)
    fill = rng.uniform(0.45, 0.75)  # of the frame's height, what a standing person takes
    if height_px > width_px:
        fill = min(fill, 0.6)
    place = (rng.uniform(-0.5, 0.5), -away_m, rng.uniform(0.4, 2.3))
    # Half of the people aim at the middle of the stage, the others somewhere beside it.
    aside = rng.uniform(-0.3, 0.3) if rng.random() < 0.5 else rng.normal(0, 0.05)
    aim = (aside, 0.0, rng.uniform(0.75, 1.15))
    return Camera(place, aim, fill * away_m / 1.65), int(width_px), int(height_px)


def _noisy(track: PoseTrack, rng: np.random.Generator) -> PoseTrack:
    """Add detector-like errors: slow ones relative to the body size; depth of wrong scale, often exaggerated, or none."""
    body_px = float(np.median(np.ptp(track.pose.xy[..., 1], axis=1)))
    slow = _slow(rng.normal(0, 0.012 * body_px, track.pose.xy.shape))
    bias = rng.normal(0, 0.006 * body_px, (1, *track.pose.xy.shape[1:]))
    gain = (rng.uniform(0.4, 1.1), rng.uniform(2, 4), 0.0)[int(rng.choice(3, p=(0.45, 0.45, 0.1)))]
    depth = gain * (track.pose.depth + _slow(rng.normal(0, 0.04 * body_px, track.pose.depth.shape)))
    pose = Pose((track.pose.xy + slow + bias).astype(np.float32), track.pose.confidence, depth.astype(np.float32))
    return replace(track, pose=pose)


def _slow(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """A moving average over three frames."""
    padded = np.concatenate([noise[:1], noise, noise[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _vary_body(figure: BodyModel, rng: np.random.Generator) -> BodyModel:
    """Return another body in front of another camera."""
    parts_px = {name: length * float(np.exp(rng.normal(0, 0.06))) for name, length in figure.parts_px.items()}
    grown = float(np.exp(rng.uniform(-0.4, 0.4)))
    own_px = sum(parts_px[name] for name in ("torso", "thigh", "shin", "neck"))
    width_px, height_px = figure.frame_width_px * grown, figure.frame_height_px * grown
    camera = CameraModel(
        center_x_px=figure.camera.center_x_px * grown + rng.normal(0, 0.1) * width_px,
        center_y_px=figure.camera.center_y_px * grown + rng.normal(0, 0.05) * height_px,
        focal_px=figure.camera.focal_px * grown,
        tilt_rad=figure.camera.tilt_rad,
        floor_px=figure.camera.floor_px * grown * float(np.exp(rng.normal(0, 0.2))),
        heel_px=figure.camera.heel_px * grown,
    )
    return replace(
        figure,
        frame_width_px=round(width_px * float(rng.choice([1.0, 1.5]))),
        frame_height_px=round(height_px),
        height_px=own_px * grown,
        camera=camera,
        stage_x_px=figure.stage_x_px * grown,
        home_away_px=figure.home_away_px * grown,
        away_range_px=(figure.away_range_px[0] * grown, figure.away_range_px[1] * grown),
        parts_px={name: length * grown for name, length in parts_px.items()},
        sole_px=figure.sole_px * grown,
    )


def _rolled(pose: Pose, rng: np.random.Generator, figure: BodyModel) -> Pose:
    """Rotate by a few degrees about home, as by a tilted camera."""
    angle = float(np.clip(rng.normal(0, 0.04), -0.1, 0.1))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    home = figure.home_px
    return Pose(((pose.xy - home) @ turn.T + home).astype(np.float32), pose.confidence, pose.depth)
