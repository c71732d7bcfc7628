"""Training of the classifier that tells synthesized from real, on clips of both, of the same people in the same encodings.

A batch holds as many real looks as synthetic ones, each beside one of the same group, disguised alike: blurred, noisy,
recoloured, shrunk, compressed. What is left to learn is how the person was made.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dancenow.checkpoint import Checkpoint, CheckpointInfo
from dancenow.data.looks import BODY_SHARE
from dancenow.models.forensic import KIND, Calibration, Forensic, ForensicConfig, ForensicNet, pool
from dancenow.training.average import follow_average
from dancenow.training.care import CarefulStep
from dancenow.training.loop import Clock
from dancenow.training.precision import Precision, autocast
from dancenow.training.state import require_same_training, restore_state, state_tensors

OFFSETS: Final = (0, 1, 2, 4)
"""Frames of a stored run, from its first: pairs of these are what videos of lower frame rates show."""
REAL: Final = "real"
"""Family of what was filmed, or rendered as if."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One clip in one encoding. pictures: uint8 [N,4,S,S,3] at `OFFSETS`; bodies: uint8 [N,S/4,S/4]; family: `REAL`, or what
    made it; group: of clips that show the same person in the same encoding; clip: whose it is, whatever the encoding."""

    pictures: NDArray[np.uint8]
    bodies: NDArray[np.uint8]
    family: str
    group: str
    clip: str

    @property
    def synthetic(self) -> bool:
        """Whether it was made by a generator."""
        return self.family != REAL


@dataclass(frozen=True)
class ForensicRecipe:
    """pairs_per_step: real and synthetic looks of a step, each. window_px: side of the part of a picture that a step sees.
    learning_rate: of AdamW at its peak. disguise: the chance of each kind of disguise."""

    network: ForensicConfig = field(default_factory=ForensicConfig)
    pairs_per_step: int = 8
    window_px: int = 144
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    disguise: float = 0.25
    precision: Precision = "bfloat16"


@dataclass(frozen=True)
class Disguise:
    """What is done to a look, to a real one as to the synthetic one beside it; lengths in px of the picture."""

    first: int
    second: int
    shrink: float
    mirrored: bool
    blur_px: float
    smear_px: float
    smear_rad: float
    sharpened: float
    smoothed: bool
    noise: float
    gain: tuple[float, float, float]
    lift: float
    gamma: float
    jpeg: int | None
    move: tuple[int, int]
    seed: int


def draw_disguise(rng: np.random.Generator, chance: float) -> Disguise:
    """At random; most looks are consecutive, some further apart or turned round in time."""
    pairs = ((0, 1), (1, 2), (0, 1), (1, 2), (0, 2), (2, 3), (0, 3))
    first, second = pairs[int(rng.integers(len(pairs)))]
    if rng.random() < 0.3:
        first, second = second, first

    def maybe(low: float, high: float, otherwise: float) -> float:
        return float(rng.uniform(low, high)) if rng.random() < chance else otherwise

    colour = rng.uniform(0.85, 1.15, 3) if rng.random() < chance else np.ones(3)
    return Disguise(
        first, second,
        shrink=maybe(0.45, 1.0, 1.0),
        mirrored=bool(rng.random() < 0.5),
        blur_px=maybe(0.4, 1.6, 0.0),
        smear_px=maybe(2.0, 9.0, 0.0),
        smear_rad=float(rng.uniform(0, np.pi)),
        sharpened=maybe(0.3, 1.5, 0.0),
        smoothed=bool(rng.random() < 0.4 * chance),
        noise=maybe(1.0, 10.0, 0.0),
        gain=(float(colour[0]), float(colour[1]), float(colour[2])),
        lift=maybe(-25, 25, 0.0),
        gamma=maybe(0.7, 1.4, 1.0),
        jpeg=int(rng.integers(35, 95)) if rng.random() < chance else None,
        move=(int(rng.integers(-2, 3)), int(rng.integers(-2, 3))) if rng.random() < 0.5 * chance else (0, 0),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def disguised(
    run: NDArray[np.uint8], body: NDArray[np.uint8], how: Disguise, window_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A pair uint8 [2,W,W,3] out of a run [4,S,S,3], and the body uint8 [W/4,W/4], in a window that has some of the body."""
    rng = np.random.default_rng(how.seed)
    pair, side = run[[how.first, how.second]], run.shape[1]
    small = max(window_px, round(side * how.shrink / BODY_SHARE) * BODY_SHARE)
    if small != side:
        pair = np.stack([cv2.resize(each, (small, small), interpolation=cv2.INTER_AREA) for each in pair])
        body = np.asarray(cv2.resize(body, (small // BODY_SHARE,) * 2, interpolation=cv2.INTER_AREA))
    left, top = _window(body, small, window_px, rng)
    part = body[top // BODY_SHARE :, left // BODY_SHARE :][: window_px // BODY_SHARE, : window_px // BODY_SHARE]
    across, down = (np.clip(at + move, 0, small - window_px) for at, move in zip((left, top), how.move, strict=True))
    cut = [
        pair[0, top : top + window_px, left : left + window_px],
        pair[1, down : down + window_px, across : across + window_px],
    ]
    pictures = np.stack([_repainted(each, how, rng) for each in cut])
    return (pictures[:, :, ::-1], part[:, ::-1]) if how.mirrored else (pictures, part)


def _window(body: NDArray[np.uint8], side: int, window_px: int, rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a window around some point of the body, in whole cells of its map."""
    rows, columns = np.nonzero(body > 127)
    room = (side - window_px) // BODY_SHARE
    if not len(rows) or room <= 0:
        return max(room, 0) // 2 * BODY_SHARE, max(room, 0) // 2 * BODY_SHARE
    chosen = int(rng.integers(len(rows)))
    half = window_px // BODY_SHARE // 2
    left, top = (int(np.clip(at[chosen] - half + rng.integers(-half // 2, half // 2 + 1), 0, room)) for at in (columns, rows))
    return left * BODY_SHARE, top * BODY_SHARE


def _repainted(picture: NDArray[np.uint8], how: Disguise, rng: np.random.Generator) -> NDArray[np.uint8]:
    """One picture in other light, out of focus, noisy, compressed."""
    out: NDArray[Any] = picture.astype(np.float32)
    if how.gamma != 1.0:
        out = 255 * (out / 255) ** np.float32(how.gamma)
    out = out * np.array(how.gain, np.float32) + np.float32(how.lift)
    if how.smoothed:  # as a camera's denoising
        out = cv2.bilateralFilter(out, 5, 18.0, 2.0)
    if how.smear_px:
        out = cv2.filter2D(out, -1, _smear(how.smear_px, how.smear_rad))
    if how.blur_px:
        out = cv2.GaussianBlur(out, (0, 0), how.blur_px)
    if how.sharpened:
        out = out + np.float32(how.sharpened) * (out - cv2.GaussianBlur(out, (0, 0), 1.2))
    if how.noise:
        out = out + rng.standard_normal(out.shape, np.float32) * np.float32(how.noise)
    done = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    if how.jpeg is not None:
        packed = cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, how.jpeg])[1]
        done = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return done


def _smear(length_px: float, angle_rad: float) -> NDArray[np.float32]:
    """The kernel of a camera that moves."""
    side = 2 * int(np.ceil(length_px / 2)) + 3
    kernel, middle = np.zeros((side, side), np.float32), (side - 1) / 2
    reach = np.array([np.cos(angle_rad), np.sin(angle_rad)]) * length_px / 2
    ends = [(np.rint((middle + sign * reach) * 16)).astype(int).tolist() for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return np.asarray(kernel / kernel.sum(), np.float32)


class Shelf:
    """The evidence that a training draws from: groups that have both real and synthetic looks.

    Raises:
        ValueError: no group has both.
    """

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        groups: dict[str, dict[str, list[Evidence]]] = defaultdict(lambda: defaultdict(list))
        for each in evidence:
            if len(each.pictures):
                groups[each.group][each.family].append(each)
        self._groups = [g for _, g in sorted(groups.items()) if REAL in g and len(g) > 1]
        if not self._groups:
            raise ValueError("no group has both real and synthetic clips")

    def draw(self, rng: np.random.Generator) -> tuple[Evidence, Evidence]:
        """A real and a synthetic clip of one group, every family of the group as often as the others."""
        group = self._groups[int(rng.integers(len(self._groups)))]
        families = sorted(name for name in group if name != REAL)
        family = families[int(rng.integers(len(families)))]
        real, made = (of[int(rng.integers(len(of)))] for of in (group[REAL], group[family]))
        return real, made

    def batch(self, rng: np.random.Generator, recipe: ForensicRecipe) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs [2B,2,3,W,W] in [-1,1], bodies [2B,1,W/4,W/4] and 1 for synthetic, 0 for real [2B]; real and synthetic take
        turns, each two disguised alike."""
        pictures, bodies = [], []
        for _ in range(recipe.pairs_per_step):
            how = draw_disguise(rng, recipe.disguise)
            for each in self.draw(rng):
                row = int(rng.integers(len(each.pictures)))
                seen = disguised(each.pictures[row], each.bodies[row], how, recipe.window_px)
                pictures.append(seen[0])
                bodies.append(seen[1])
        pairs = torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 1, 4, 2, 3))).float()
        body = torch.from_numpy(np.ascontiguousarray(np.stack(bodies)))[:, None].float() / 255
        return pairs.div_(127.5).sub_(1.0), body, torch.tensor([0.0, 1.0]).repeat(recipe.pairs_per_step)


class ForensicTask:
    """A `loop.Task`: the network, its average and its optimizer."""

    def __init__(self, shelf: Shelf, recipe: ForensicRecipe, *, seed: int, device: torch.device) -> None:
        self.shelf, self.recipe, self.seed, self.device = shelf, recipe, seed, device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self.net = ForensicNet(recipe.network).to(device)
        self.average = ForensicNet(recipe.network).to(device).requires_grad_(False)
        self.average.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self._careful = CarefulStep(self.optimizer)
        self.images_per_step = 2 * recipe.pairs_per_step
        self._images = 0

    def step(self, rng: np.random.Generator, share: float) -> Mapping[str, float]:
        """See `loop.Task.step`."""
        warm = min(1.0, (self._images + self.images_per_step) / 800)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        pairs, body, synthetic = (each.to(self.device) for each in self.shelf.batch(rng, self.recipe))
        with autocast(self.device, self.recipe.precision):
            logits = self.net(pairs)
        score = pool(logits.float(), body)
        loss = F.binary_cross_entropy_with_logits(score, synthetic * 0.96 + 0.02)
        self._careful(loss)
        self._images += self.images_per_step
        follow_average(self.average, self.net, self.images_per_step, self._images)
        right = ((score > 0) == (synthetic > 0.5)).float().mean()
        return {"loss": float(loss.detach()), "right": float(right)}

    @property
    def images(self) -> int:
        """Looks seen."""
        return self._images

    def shrink(self) -> bool:
        """See `loop.Task.shrink`: the batch is small already."""
        return False

    def forensic(self, calibration: Calibration, trained_on: str) -> Forensic:
        """What was learnt."""
        net = ForensicNet(self.recipe.network)
        net.load_state_dict(self.average.state_dict())
        return Forensic(net.eval().requires_grad_(False), calibration, trained_on)

    def model(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.model`: not calibrated yet."""
        return self.forensic(Calibration(), "unfinished").to_checkpoint(clock.images)

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`."""
        tensors = state_tensors({"net": self.net, "average": self.average}, {"adam": self.optimizer})
        config: dict[str, Any] = {"kind": KIND, "seed": self.seed, **asdict(self.recipe)}
        return Checkpoint(CheckpointInfo("training-state", config, clock.images, clock.seconds), tensors)

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state is of another recipe.
        """
        require_same_training(state, self.state(Clock()).info.config, {})
        restore_state(state, {"net": self.net, "average": self.average}, {"adam": self.optimizer})
        self._images = state.info.images_seen

    @cached_property
    def _preview_batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.shelf.batch(np.random.default_rng(self.seed), self.recipe)

    @torch.no_grad()
    def preview(self) -> NDArray[np.uint8]:
        """Real above synthetic looks as a step sees them."""
        pairs = self._preview_batch[0][:, 1].add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return np.concatenate([np.concatenate(list(pairs[first::2]), axis=1) for first in (0, 1)], axis=0)
