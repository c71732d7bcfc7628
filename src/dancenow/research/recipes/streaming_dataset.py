"""Pretraining from dataset shards: clips are streamed, decoded once, drawn from for a while, and dropped.

Memory holds a pool of people, however many the shards have. Stream and pool are part of the training state, so a resumed run
sees exactly the clips that an unbroken one would.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.errors import InputError, TrainingError
from dancenow.generators.crop.dataset import BORDER, Augmentation, Clip, CropDataset, enlarge_crop, shrink_plate
from dancenow.media.source import read_frames_at, read_masks
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.pose.person_crop import crop_image, track_crop
from dancenow.pose.track_io import load_track
from dancenow.research.dataset.shards import Sample, ShardedClips, Shards
from dancenow.research.recipes.pretraining_task import PretrainingConfig, PretrainingTask, concatenate_clips
from dancenow.storage.checkpoint import Checkpoint
from dancenow.training.loop import Clock
from dancenow.types import Crop, Plate, Pose, PoseTrack


@dataclass(frozen=True)
class StreamConfig:
    """pool: people in memory. every: images after which the oldest is replaced by the next clip. runs: of `length` consecutive
    frames each, per clip. buffer: clips to shuffle in, see `ShardedClips`."""

    pool: int = 16
    every: int = 64
    runs: int = 12
    length: int = 3
    buffer: int = 32


class StreamedPretrainingTask(PretrainingTask):
    """A `PretrainingTask` on the `train` people under the protocol `person`."""

    def __init__(
        self,
        shards: Shards,
        config: PretrainingConfig,
        stream: StreamConfig,
        *,
        seed: int,
        perceptual: PerceptualDistance,
        device: torch.device,
    ) -> None:
        """Fill the pool.

        Raises:
            UserError: the shards contain no training people, or a shard is damaged.
        """
        entries = [entry for entry in shards.dataset.entries if entry.part("person") == "train"]
        if not entries:
            raise InputError(f"{shards.folder} has no training people under the protocol person; pack a rendered dataset.")
        names = list(dict.fromkeys(entry.identity for entry in entries))
        self._number = {name: number for number, name in enumerate(names)}
        self._shards, self._stream = shards, stream
        self._clips = ShardedClips(shards, entries=entries, seed=seed, buffer=stream.buffer)
        self._pool: dict[int, tuple[str, CropDataset]] = {}
        self._taken = 0
        super().__init__([], config, seed=seed, perceptual=perceptual, device=device, people=len(names))
        while len(self._pool) < min(stream.pool, len(names)):
            self._take(next(self._clips))

    def step(self, rng: np.random.Generator, progress: float) -> Mapping[str, float]:
        """See `loop.Task.step`; a clip is replaced first every `StreamConfig.every` images."""
        if self._images // self._stream.every > self._taken:
            self._take(next(self._clips))
            self._taken = self._images // self._stream.every
        return super().step(rng, progress)

    @property
    def pool(self) -> list[str]:
        """Names of the clips in the pool, oldest first."""
        return [key for key, _ in self._pool.values()]

    def _take(self, sample: Sample) -> None:
        """Replace a person's last clip, and drop the oldest if the pool is full."""
        person = self._number[sample.entry.identity]
        self._pool.pop(person, None)
        store = clip_store(sample, self.config.generator.canvas_px, self._stream.runs, self._stream.length)
        self._pool[person] = sample.entry.key, store
        while len(self._pool) > self._stream.pool:
            del self._pool[next(iter(self._pool))]

    def _choose(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        available = np.array(sorted(self._pool))
        return rng.choice(available, size=count, replace=len(available) < count)

    def _draw(self, who: NDArray[np.int64], rng: np.random.Generator) -> Clip:
        length = min(self.config.clip_frames, self._stream.length)
        stores = [self._pool[int(i)][1] for i in who]
        return concatenate_clips([store.draw(1, rng, Augmentation(), self.device, length, evenly=True) for store in stores])

    def _shown(self) -> tuple[NDArray[np.int64], Clip]:
        who = np.array(sorted(self._pool)[:6])
        stores = [self._pool[int(i)][1] for i in who]
        return who, concatenate_clips(
            [store.take(np.arange(store.length)[None], store.centered[None], self.device) for store in stores]
        )

    def state(self, clock: Clock) -> Checkpoint:
        """See `loop.Task.state`: includes the stream's position and the pool."""
        state = super().state(clock)
        held = {"clips": self._clips.state_dict(), "pool": self.pool, "taken": self._taken}
        words = np.frombuffer(json.dumps(held).encode(), np.uint8).copy()
        return Checkpoint(state.info, {**state.tensors, "stream": torch.from_numpy(words)})

    def restore(self, state: Checkpoint) -> None:
        """See `loop.Task.restore`.

        Raises:
            UserError: the state belongs to another recipe or other shards.
        """
        super().restore(state)
        try:
            held = json.loads(state.tensors["stream"].numpy().tobytes())
            clips, keys, taken = held["clips"], [str(key) for key in held["pool"]], int(held["taken"])
        except (KeyError, ValueError, TypeError) as error:
            raise TrainingError("the training to resume did not use shards; start again without --resume.") from error
        self._clips.load_state_dict(clips)
        self._pool = {}
        for key in keys:
            self._take(self._shards.read(self._shards.dataset.entry(key)))
        self._taken = taken


def clip_store(sample: Sample, canvas_px: int, runs: int, length: int) -> CropDataset:
    """Crop short runs of frames spread over a rendered clip for training; deterministic for a given sample.

    Raises:
        UserError: the clip is too short for even one run, or damaged.
    """
    with tempfile.TemporaryDirectory() as scratch:
        files = {suffix: Path(scratch) / f"clip.{suffix}" for suffix in ("mp4", "npz", "masks.mkv")}
        for suffix, path in files.items():
            path.write_bytes(sample.files[suffix])
        track = load_track(files["npz"])
        first = _spread(len(track), runs, length, sample.entry.key)
        frames = (first[:, None] + np.arange(length)).reshape(-1)
        crops = track_crop(track.pose, track.time_s, canvas_px)
        kept = [enlarge_crop(crops[int(i)], round(canvas_px * BORDER)) for i in frames]
        image, mask = _cut_out(files, frames, kept)
    if len(image) < len(frames):
        raise InputError(f"the clip {sample.entry.key} breaks off; check the dataset with `dancenow dataset validate`.")
    plate, plate_to_frame = shrink_plate(_plate(sample, track), float(np.median([crop.to_canvas[0, 0] for crop in kept])))
    poses = [crop.apply(track.pose[int(i)]) for crop, i in zip(kept, frames, strict=True)]
    pose = Pose(*(np.stack([getattr(each, name) for each in poses]) for name in ("xy", "confidence", "depth")))
    return CropDataset(
        image, mask, pose, np.stack([crop.to_canvas for crop in kept]), plate, plate_to_frame,
        np.arange(0, len(frames), length), length, canvas_px,
    )  # fmt: skip


def _spread(count: int, runs: int, length: int, key: str) -> NDArray[np.int64]:
    """First frames of non-overlapping runs, evenly over a clip of `count` frames; fewer for a short clip."""
    fitting = min(runs, count // length)
    if fitting < 1:
        raise InputError(f"the clip {key} has {count} frames, fewer than a run of {length}; make a dataset of longer clips.")
    return (np.arange(fitting) * (count // fitting)).astype(np.int64)


def _cut_out(
    files: Mapping[str, Path], frames: NDArray[np.int64], crops: list[Crop]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [N,R,R,3] and masks [N,R,R] of the frames, which increase."""
    wanted = set(frames.tolist())
    masks = [mask for i, mask in enumerate(read_masks(files["masks.mkv"], 0, int(frames[-1]) + 1)) if i in wanted]
    cuts = [
        crop_image(np.concatenate([frame.image_rgb, mask[..., None]], axis=2), crop)
        for frame, mask, crop in zip(read_frames_at(files["mp4"], frames.tolist()), masks, crops, strict=False)
    ]
    whole = np.stack(cuts)
    return np.ascontiguousarray(whole[..., :3]), np.ascontiguousarray(whole[..., 3])


def _plate(sample: Sample, track: PoseTrack) -> Plate:
    image = cv2.imdecode(np.frombuffer(sample.files["background.png"], np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None or image.shape[:2] != (track.height_px, track.width_px):
        raise InputError(
            f"the background of {sample.entry.key} is damaged; check the dataset with `dancenow dataset validate`."
        )
    return Plate(np.asarray(image, np.uint8), np.ones(image.shape[:2], np.bool_))
