"""What a subject knows of its moving camera: the trajectory and the mosaic of the background, as two files of its folder."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.background.displacements import Displacements
from dancenow.subject.background.mosaic import Mosaic, MosaicArea
from dancenow.subject.camera.trajectory import CameraTrajectory, trajectory_arrays, trajectory_of_arrays
from dancenow.types import Plate

CAMERA_FILES: Final = ("camera.npz", "mosaic.png")
"""Files of a subject folder whose camera moves."""


@dataclass(frozen=True, eq=False)
class FootageCamera:
    """A camera that moves, and the background that it saw."""

    trajectory: CameraTrajectory
    mosaic: Mosaic

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays, to be stored; the mosaic is compressed without loss."""
        area = np.array(astuple(self.mosaic.area), np.int64)
        png = np.frombuffer(_encode(self.mosaic.plate), np.uint8)
        arrays = {**trajectory_arrays(self.trajectory), "area": area, "png": png}
        if (shifts := self.mosaic.displacements) is not None:
            arrays |= {
                "displaced_frames": shifts.frames,
                "displacements": shifts.by,
                "displacement_reach": np.array([shifts.reach_frames], np.float64),
            }
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`.

        Raises:
            KeyError, ValueError, IndexError: an array is missing or damaged.
        """
        area = MosaicArea(*arrays["area"].tolist())
        plate = _decode(arrays["png"])
        if plate.known.shape != (area.height_px, area.width_px):
            raise ValueError("the mosaic does not fit its area")
        shifts = (
            Displacements(arrays["displaced_frames"], arrays["displacements"], arrays["displacement_reach"].item())
            if "displacements" in arrays
            else None
        )
        return cls(trajectory_of_arrays(arrays), Mosaic(plate, area, shifts))


def save_camera(folder: Path, camera: FootageCamera) -> None:
    """Write the camera of a subject folder."""
    arrays = camera.to_arrays()
    png = arrays.pop("png")
    with complete_or_absent(folder / CAMERA_FILES[0]) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # of its stubs: allow_pickle
    with complete_or_absent(folder / CAMERA_FILES[1]) as temporary:
        temporary.write_bytes(png.tobytes())


def load_camera(folder: Path) -> FootageCamera:
    """The inverse of `save_camera`.

    Raises:
        OSError, KeyError, ValueError, IndexError: a file is missing or damaged.
    """
    with np.load(folder / CAMERA_FILES[0], allow_pickle=False) as stored:
        arrays = dict(stored)
    return FootageCamera.of_arrays({**arrays, "png": np.frombuffer((folder / CAMERA_FILES[1]).read_bytes(), np.uint8)})


def _encode(plate: Plate) -> bytes:
    """As PNG; alpha says what was filmed."""
    rgba = np.dstack([plate.image_rgb, plate.known.astype(np.uint8) * 255])
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1])


def _decode(png: NDArray[np.uint8]) -> Plate:
    bgra = cv2.imdecode(np.ascontiguousarray(png), cv2.IMREAD_UNCHANGED) if len(png) else None
    if bgra is None or bgra.ndim != 3 or bgra.shape[2] != 4:
        raise ValueError("the mosaic is not an image")
    rgba = np.asarray(cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA), np.uint8)
    return Plate(np.ascontiguousarray(rgba[..., :3]), rgba[..., 3] > 127)
