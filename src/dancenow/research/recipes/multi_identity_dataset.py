"""Frames of many people on one device, to draw batches of different people at GPU speed."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.generators.crop.dataset import Augmentation, Clip, CropDataset, compose_affine, mirror_clips, random_similarity
from dancenow.networks.warping import warp
from dancenow.types import Pose


class MultiIdentityDataset:
    """The datasets of P people as 2 P identities: index P + i is the mirrored person i.

    Mirrored people are separate identities, because a light from the left or a watch on one arm contradicts its mirror image.
    """

    def __init__(self, stores: Iterable[CropDataset], device: torch.device) -> None:
        """Move the images to `device`, one person after the other; on the CPU they share memory with the datasets.

        Raises:
            ValueError: there are no datasets, or their canvases or lengths differ.
        """
        self.device = device
        self._images: list[tuple[Tensor, Tensor]] = []
        self._poses: list[Pose] = []
        self._maps: list[NDArray[np.float64]] = []
        self._starts: list[NDArray[np.int64]] = []
        plates: list[tuple[Tensor, NDArray[np.float64]]] = []
        sizes = set()
        for store in stores:
            self._images.append((torch.from_numpy(store.image).to(device), torch.from_numpy(store.mask).to(device)))
            plates.append((torch.from_numpy(store.plate).to(device), store.plate_to_frame))
            self._poses.append(store.pose)
            self._maps.append(store.to_stored)
            self._starts.append(store.starts)
            sizes.add((store.canvas_px, store.image.shape[1], store.length))
        if len(sizes) != 1:
            raise ValueError(f"all people need the same canvas and run length, got {sorted(sizes)}")
        self.canvas_px, self.stored_px, self.length = sizes.pop()
        self._from_plate = [to_frame for _, to_frame in plates]
        self._plates = _of_one_size([plate for plate, _ in plates])

    def __len__(self) -> int:
        return 2 * len(self._poses)

    def draw(self, who: NDArray[np.int64], rng: np.random.Generator, augmentation: Augmentation, length: int) -> Clip:
        """Draw a random run of `length` frames, at most the datasets', of each identity in `who` [B], randomly placed on the
        canvas."""
        one = who % len(self._poses)
        first = np.array([rng.choice(self._starts[i]) for i in one]) + rng.integers(0, self.length - length + 1, len(who))
        placed = random_similarity(rng, len(who), self.canvas_px, self.stored_px, augmentation)
        clip = self._take(one, first[:, None] + np.arange(length), placed)
        return mirror_clips(clip, who >= len(self._poses)) if (who >= len(self._poses)).any() else clip

    def show(self, who: NDArray[np.int64]) -> Clip:
        """The first run of each of `who` [B], not mirrored, placed as in a transfer."""
        off = (self.canvas_px - self.stored_px) / 2
        centered = np.array([[1.0, 0.0, off], [0.0, 1.0, off]])
        return self._take(who, np.arange(self.length)[None].repeat(len(who), 0), centered[None].repeat(len(who), 0))

    def _take(self, one: NDArray[np.int64], frames: NDArray[np.int64], to_canvas: NDArray[np.float64]) -> Clip:
        """See `CropDataset.take`: frames int [B,T] of `one` [B], placed by to_canvas [B,2,3]."""
        count, length = frames.shape
        pairs = list(zip(one.repeat(length).tolist(), frames.reshape(-1).tolist(), strict=True))
        placed = np.repeat(to_canvas, length, axis=0)
        whole = compose_affine(placed, np.stack([self._maps[i][t] for i, t in pairs]))
        from_plate = compose_affine(whole, np.stack([self._from_plate[i] for i, _ in pairs]))
        images = torch.stack([self._images[i][0][t] for i, t in pairs])
        masks = torch.stack([self._images[i][1][t] for i, t in pairs])
        stored = torch.cat([images, masks[..., None]], dim=3)
        canvas = warp(_planes(stored), self._moved(placed), self.canvas_px)
        plate = warp(_planes(torch.stack([self._plates[i] for i, _ in pairs])), self._moved(from_plate), self.canvas_px)
        xy, confidence, depth = (
            np.stack([getattr(self._poses[i], name)[t] for i, t in pairs]) for name in ("xy", "confidence", "depth")
        )
        zoom = np.sqrt(np.abs(np.linalg.det(placed[:, :, :2])))[:, None]
        flat = {
            "image": canvas[:, :3] * 2 - 1,
            "plate": plate[:, :3] * 2 - 1,
            "known": plate[:, 3:],
            "mask": canvas[:, 3:],
            "xy": self._moved(xy @ placed[:, :, :2].swapaxes(1, 2) + placed[:, None, :, 2]),
            "confidence": self._moved(confidence),
            "depth": self._moved(depth * zoom),
            "to_canvas": self._moved(whole),
        }
        return Clip(**{name: value.reshape(count, length, *value.shape[1:]) for name, value in flat.items()})

    def _moved(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)


def _of_one_size(plates: list[Tensor]) -> list[Tensor]:
    """Pad plates uint8 [h,w,4] to a common size by repeating the last row and column, as `warp` does beyond the edge."""
    height, width = (max(plate.shape[axis] for plate in plates) for axis in (0, 1))
    padded = []
    for plate in plates:
        rows = torch.arange(height, device=plate.device).clamp(max=plate.shape[0] - 1)
        columns = torch.arange(width, device=plate.device).clamp(max=plate.shape[1] - 1)
        padded.append(plate[rows][:, columns])
    return padded


def _planes(pixels: Tensor) -> Tensor:
    """uint8 [N,h,w,C] -> float32 [N,C,h,w] in [0,1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(255.0)
