"""Looks at random people, real and forged, for the classifier's training: the cast that the base model is trained on, packed.

A forged picture goes the product's way, over the plate in the frame; then it takes the way that the real one took: the same
noise, the same cut out of the frame, the same packing. Both then pass through the same resampling and encoding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.bench.forgeries import NEAREST, Order, Workshop, is_whole, models
from dancenow.bench.retrieval import nearest
from dancenow.bench.scenes import shaken_pose
from dancenow.checkpoint import Checkpoint
from dancenow.data.clips import ClipStore, compose, cut
from dancenow.data.looks import body_map, window_of
from dancenow.data.target import Target
from dancenow.data.wholeclips import WholeClipStore
from dancenow.generate import WholeFramePainter, load_generator
from dancenow.generate import compose as put_over
from dancenow.models.rollout import roll_out
from dancenow.pose.letterbox import Letterbox
from dancenow.training.encodings import Encoding, encoded, grainy
from dancenow.training.forensic import OFFSETS, REAL, Evidence
from dancenow.training.packs import repacked
from dancenow.training.pictures import pose_maps
from dancenow.types import Crop, FrameStatus, ImageRGB, Plate, Pose, PoseTrack

FPS: Final = 30
RUN: Final = 6
"""Frames of a run; the pictures of a look are `OFFSETS` after its third, when what goes on from its own picture has begun."""
_FIRST: Final = RUN - 1 - OFFSETS[-1]
_NOISE: Final = 255 * 0.006
"""Of the studio's camera, in levels: what is made gets it, too."""
_SIDE_PX: Final = 256
_SHAKY: Final = 0.004
_RESAMPLING: Final = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of `RUN` stored pictures: image uint8 [R*6,P,P,3], pose [R*6] in stored px, to_stored [R*6,2,3] from frame px."""

    image: NDArray[np.uint8]
    pose: Pose
    to_stored: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.image) // RUN

    def part(self, runs: NDArray[np.int64]) -> "Runs":
        """Some of them."""
        frames = (runs[:, None] * RUN + np.arange(RUN)).reshape(-1)
        return Runs(self.image[frames], self.pose[frames], self.to_stored[frames])


class Recruit:
    """A random person as a `forgeries.Source`: the first half of their runs is learnt from."""

    def __init__(self, name: str, store: ClipStore, plate: ImageRGB, seed: int) -> None:
        """plate: uint8 [H,W,3], the empty room in the frame's own size.

        Raises:
            ValueError: the runs have another length.
        """
        if store.length != RUN:
            raise ValueError(f"runs must have {RUN} frames, got {store.length}")
        self.name, self._rng = name, np.random.default_rng(seed)
        self._store = store
        self._plate = Plate(np.ascontiguousarray(plate), np.ones(plate.shape[:2], np.bool_))
        self.runs = Runs(store.image, store.pose, store.to_stored)
        shaky = _SHAKY if self._rng.random() < 0.7 else 0.0
        self._drawn = shaken_pose(store.pose, shaky, self._rng)
        order = self._rng.permutation(len(self.runs))
        self.learnt, self.unseen = order[: len(order) // 2], order[len(order) // 2 :]

    @property
    def target(self) -> Target:
        """See `forgeries.Source`."""
        return Target(self.name, self._plate, self._track)

    @property
    def _track(self) -> PoseTrack:
        """The poses of all stored frames in the frame, as a detector might have found them."""
        poses = [
            Crop(Crop(to_stored, self._store.image.shape[1]).to_frame, 1).apply(self._drawn[i])
            for i, to_stored in enumerate(self._store.to_stored)
        ]
        pose = Pose(*(np.stack([getattr(p, name) for p in poses]) for name in ("xy", "confidence", "depth")))
        height, width = self._plate.known.shape
        status = np.full(len(poses), FrameStatus.MEASURED, np.uint8)
        return PoseTrack(pose, np.arange(len(poses)) / FPS, status, width, height, "cast", "0" * 64)

    def clip_store(self, canvas_px: int, length: int) -> ClipStore:
        """See `forgeries.Source`."""
        if canvas_px != self._store.canvas_px:
            raise ValueError(f"the cast is kept for canvases of {self._store.canvas_px} px, got {canvas_px}")
        frames = (np.sort(self.learnt)[:, None] * RUN + np.arange(RUN)).reshape(-1)
        starts = np.arange(0, len(frames), RUN)
        return replace(
            self._store, image=self._store.image[frames], mask=self._store.mask[frames], pose=self._drawn[frames],
            to_stored=self._store.to_stored[frames], starts=starts, length=min(length, RUN),
        )  # fmt: skip

    def whole_store(self, box: Letterbox, length: int) -> WholeClipStore:
        """See `forgeries.Source`: what is kept of each frame, put back over the room."""
        frames = (np.sort(self.learnt)[:, None] * RUN + np.arange(RUN)).reshape(-1)
        height, width = self._plate.known.shape
        image = []
        for i in frames:
            frame = self._plate.image_rgb.copy()
            to_frame = Crop(self._store.to_stored[i], self._store.image.shape[1]).to_frame
            cv2.warpAffine(
                self._store.image[i], to_frame, (width, height), dst=frame, flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_TRANSPARENT,
            )  # fmt: skip
            image.append(box.place(frame))
        pose = box.apply(self._track.pose[frames])
        return WholeClipStore(np.stack(image), pose, np.arange(0, len(frames), RUN), min(length, RUN), box)

    def painted(self, model: Checkpoint, runs: NDArray[np.int64], device: torch.device) -> Runs:
        """Some runs as a model paints them."""
        made = self._whole_frames(model, runs, device) if is_whole(model) else self._composed(model, runs, device)
        stored_px, true = self._store.image.shape[1], self.runs.part(runs)
        pictures = [
            cut(grainy(frame, _NOISE, self._rng), Crop(to_stored, stored_px))
            for frame, to_stored in zip(made, true.to_stored, strict=True)
        ]
        return replace(true, image=repacked(np.stack(pictures)))

    def _composed(self, model: Checkpoint, runs: NDArray[np.int64], device: torch.device) -> Iterator[ImageRGB]:
        generator = load_generator(model, device)
        store = replace(self._store, pose=self._drawn)
        for run in runs:
            clip = store.take(run * RUN + np.arange(RUN)[None], store.centred[None], device)
            with torch.inference_mode():
                rgba = roll_out(generator, pose_maps(clip, store.canvas_px), clip.to_canvas)[0]
            canvases = rgba.float().permute(0, 2, 3, 1).cpu().numpy()
            for rows, canvas in zip(run * RUN + np.arange(RUN), canvases, strict=True):
                crop = Crop(compose(store.centred, store.to_stored[rows]), store.canvas_px)
                yield put_over(np.ascontiguousarray(canvas), crop, self._plate)

    def _whole_frames(self, model: Checkpoint, runs: NDArray[np.int64], device: torch.device) -> Iterator[ImageRGB]:
        painter = WholeFramePainter.load(model, device)
        for run in runs:
            yield from painter.paint(self._track, int(run) * RUN, int(run + 1) * RUN)

    def retrieved(self, runs: NDArray[np.int64]) -> Runs:
        """Some runs as the learnt frames with the nearest poses, each where it was."""
        learnt = (self.learnt[:, None] * RUN + np.arange(RUN)).reshape(-1)
        whole = self._track.pose
        wanted = (runs[:, None] * RUN + np.arange(RUN)).reshape(-1)
        shown = learnt[nearest(whole[wanted], whole[learnt])]
        return Runs(self.runs.image[shown], self.runs.pose[shown], self.runs.to_stored[shown])


def clips_of(
    recruit: Recruit, orders: Sequence[Order], runs_of_each: int, seed: int, workshop: Workshop
) -> Iterator[tuple[str, int, Runs]]:
    """Family, training images and runs of every clip: the real ones, then each order's, half of them unseen in training."""
    rng = np.random.default_rng((seed, 1))
    yield REAL, 0, recruit.runs
    half = max(runs_of_each // 2, 1)
    yield NEAREST, 0, recruit.retrieved(rng.choice(recruit.unseen, min(2 * half, len(recruit.unseen)), replace=False))
    for number, order in enumerate(orders):
        try:
            for images, model in models(recruit, order, seed + number, workshop):
                runs = np.concatenate([rng.choice(part, half, replace=False) for part in (recruit.learnt, recruit.unseen)])
                yield order.way, images, recruit.painted(model, runs, workshop.device)
        except RuntimeError as error:  # a GPU that others use, too: what is made is kept
            print(f"{recruit.name}, {order.way}: {error}", flush=True)


def evidence_of_runs(
    runs: Runs, encoding: Encoding, rng: np.random.Generator, *, family: str, group: str, clip: str, side_px: int
) -> Evidence:
    """Runs through an encoding, cut into looks of side_px.

    Each run is resampled once, turned and shrunk a little by chance, into the window of its first frame, so that the room
    stands still.
    """
    frames: list[ImageRGB] = []
    poses = []
    for run in range(len(runs)):
        first = run * RUN
        to_picture = compose(_similarity(rng, runs.image.shape[1]), runs.to_stored[first])
        how = _RESAMPLING[int(rng.integers(len(_RESAMPLING)))]
        for i in range(first, first + RUN):
            placed = compose(to_picture, Crop(runs.to_stored[i], 1).to_frame)
            shown = cv2.warpAffine(runs.image[i], placed, (_SIDE_PX,) * 2, flags=how, borderMode=cv2.BORDER_REPLICATE)
            frames.append(np.asarray(shown, np.uint8))
        start = first + _FIRST
        poses.append(Crop(compose(to_picture, Crop(runs.to_stored[start], 1).to_frame), _SIDE_PX).apply(runs.pose[start]))
    seen = encoded(frames, Fraction(FPS), encoding, seed=int(rng.integers(2**31)))
    ratio = seen[0].shape[0] / _SIDE_PX
    pictures = np.empty((len(runs), len(OFFSETS), side_px, side_px, 3), np.uint8)
    bodies = np.empty((len(runs), *body_map(poses[0], side_px).shape), np.uint8)
    for run, pose in enumerate(poses):
        scaled = Pose((pose.xy + 0.5) * np.float32(ratio) - 0.5, pose.confidence, pose.depth * np.float32(ratio))
        crop = window_of(scaled, side_px)
        bodies[run] = body_map(crop.apply(scaled), side_px)
        for j, offset in enumerate(OFFSETS):
            pictures[run, j] = cut(seen[run * RUN + _FIRST + offset], crop)
    return Evidence(pictures, bodies, family, group, clip)


def _similarity(rng: np.random.Generator, stored_px: int) -> NDArray[np.float64]:
    """float64 [2,3] stored px -> px of the encoded picture: a little turned, not enlarged, the middle about in the middle."""
    zoom = 1.0 if rng.random() < 0.4 else float(rng.uniform(0.7, 1.0))
    turn = float(np.radians(rng.uniform(-3, 3))) if rng.random() < 0.5 else 0.0
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    shift = (_SIDE_PX - 1) / 2 + rng.uniform(-4, 4, 2) - linear @ np.full(2, (stored_px - 1) / 2)
    return np.concatenate([linear, shift[:, None]], axis=1)
