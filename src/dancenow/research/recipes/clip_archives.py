"""Compact archives of rendered people, for training on machines without the studio or with a slow connection.

A person's 40 MB of images become about 0.7 MB: images and masks are H.264, the images with full-resolution chroma and visually
lossless (CRF 14); plate, poses and transforms are exact.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.generators.crop.dataset import CropDataset
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import Pose

SUFFIX: Final = ".pack.npz"
_PICTURE: Final = {"crf": "14", "preset": "medium"}
_MASK: Final = {"crf": "16", "preset": "medium"}
_LOSSLESS: Final = 101


def save_pack(path: Path, store: CropDataset) -> None:
    """Write one person's dataset; its plate must have no holes, as that of a rendered room.

    Raises:
        UserError: the file cannot be written.
        ValueError: the plate has holes, or the side of the images is odd.
    """
    if store.plate[..., 3].min() < 255 or store.image.shape[1] % 2:
        raise ValueError("only datasets with a complete plate and an even image side can be packed")
    _, plate = cv2.imencode(".webp", store.plate[..., 2::-1], [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS])
    arrays = {
        "image": _encode(store.image, "rgb24", "yuv444p", _PICTURE),
        "mask": _encode(store.mask, "gray", "gray", _MASK),
        "plate": np.asarray(plate, np.uint8).reshape(-1),
        "to_stored": store.to_stored,
        "plate_to_frame": store.plate_to_frame,
        "starts": store.starts,
        "sizes": np.array([store.length, store.canvas_px]),
        **{f"pose_{name}": getattr(store.pose, name) for name in ("xy", "confidence", "depth")},
    }
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_pack(path: Path) -> CropDataset:
    """Read and decode one person's dataset.

    Raises:
        UserError: the file is missing, damaged or no pack.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
        image, mask = _decode(held["image"], "rgb24"), _decode(held["mask"], "gray")
        plate = cv2.imdecode(held["plate"], cv2.IMREAD_COLOR)
        length, canvas_px = (int(n) for n in held["sizes"])
        pose = Pose(held["pose_xy"], held["pose_confidence"], held["pose_depth"])
        maps = {name: held[name] for name in ("to_stored", "plate_to_frame", "starts")}
    except (OSError, KeyError, ValueError, EOFError, av.FFmpegError) as error:
        raise InputError(f"{path} is missing, damaged or not a packed person; pack the people again.") from error
    if plate is None or not len(image) == len(mask) == len(pose.xy):
        raise InputError(f"{path} is damaged; pack the people again.")
    known = np.full((*plate.shape[:2], 1), 255, np.uint8)
    whole = np.concatenate([plate[..., ::-1].astype(np.uint8), known], axis=2)
    return CropDataset(image=image, mask=mask, pose=pose, plate=whole, length=length, canvas_px=canvas_px, **maps)


def load_packs(paths: Sequence[Path], threads: int = 16) -> Iterator[CropDataset]:
    """Read several archives in the given order, decoding ahead on several threads.

    Raises:
        UserError: see `load_pack`.
    """
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(load_pack, paths)


def packs_in(folder: Path) -> list[Path]:
    """The archives in a folder, sorted by name.

    Raises:
        UserError: there are none.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if not paths:
        raise InputError(
            f"there are no packed people in {folder}; run `python -m dancenow.research.recipes.train_base --pack-only`."
        )
    return paths


def _encode(images: NDArray[np.uint8], layout: str, stored: str, options: dict[str, str]) -> NDArray[np.uint8]:
    """Encode images [N,R,R,3] or [N,R,R] as a video in memory."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = images.shape[2], images.shape[1], stored
        stream.thread_count = 1  # the same bytes on every machine
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format=layout)))
        container.mux(stream.encode())
    return np.frombuffer(file.getvalue(), np.uint8)


def _decode(film: NDArray[np.uint8], layout: str) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(film.tobytes()), "r") as container:
        stream = container.streams.video[0]
        stream.thread_count = 1  # several packs are decoded at once
        frames = container.decode(stream)
        if layout == "gray":
            # Read the luma directly: a conversion to gray would stretch it as if 16 were black.
            return np.stack([np.asarray(frame.to_ndarray()[: frame.height], np.uint8) for frame in frames])
        return np.stack([np.asarray(frame.to_ndarray(format=layout), np.uint8) for frame in frames])
