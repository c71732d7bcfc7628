"""Read and write OpenPose JSON folders: one file per frame, `pose_keypoints_2d` as x, y, confidence per point.

Format of CMU OpenPose 1.7 (doc/02_output.md): BODY_25 and the 18 COCO points are read, the 18 are written.
"""

import hashlib
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, OutputError
from dancenow.skeleton import INDEX, NUM_KEYPOINTS, NUM_OPENPOSE
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.types import FloatArray, FrameStatus, Pose, PoseTrack

_BODY_25: Final = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_toe", "", "left_heel", "right_toe", "", "right_heel",
)  # fmt: skip
"""BODY_25 by our keypoint names; mid hip and small toes have none."""
_PLACES: Final[dict[int, NDArray[np.int64]]] = {
    25: np.array([[i, INDEX[name]] for i, name in enumerate(_BODY_25) if name]),
    NUM_OPENPOSE: np.array([[i, i] for i in range(NUM_OPENPOSE)]),
}


def require_new_folder(folder: Path) -> None:
    """UserError if `write_openpose` could not write this folder: it exists and is not empty, or cannot be created."""
    require_writable(folder, folder=True)
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder} exists and is not empty; give a new folder for the OpenPose files.")


def write_openpose(folder: Path, track: PoseTrack) -> None:
    """Write one `NAME_000000000000_keypoints.json` per frame; a MISSING frame holds no people.

    Raises:
        UserError: the folder exists and is not empty, or cannot be written.
    """
    folder = Path(folder)
    require_new_folder(folder)
    xyc = np.concatenate([track.pose.xy, track.pose.confidence[..., None]], axis=-1)[:, :NUM_OPENPOSE]
    xyc = np.where(xyc[..., 2:] > 0, xyc, 0.0).round(3).reshape(len(track), -1)
    with complete_or_absent(folder) as temporary:
        temporary.mkdir()
        for index, row in enumerate(xyc):
            people = [{"person_id": [-1], "pose_keypoints_2d": row.tolist()}] if row.any() else []
            name = f"{folder.name}_{index:012d}_keypoints.json"
            (temporary / name).write_text(json.dumps({"version": 1.3, "people": people}))


def read_openpose(folder: Path, width_px: int, height_px: int, fps: Fraction) -> PoseTrack:
    """Read a folder of BODY_25 or COCO-18 files as one track, in px of a frame of the size given.

    Files are taken in the order of the last number in their names; a missing number is a MISSING frame. Of several
    people the largest is followed, and then the one nearest to the last pose.

    Raises:
        UserError: no such files, a damaged one, another set of keypoints, coordinates that are not in px, or nobody in any.
    """
    files = sorted(Path(folder).glob("*.json"), key=lambda file: (_number(file), file.name))
    if not files:
        raise InputError(f"{folder} holds no OpenPose JSON files; give the folder that OpenPose's --write_json made.")
    numbers = [_number(file) for file in files]
    if numbers[0] < 0 or len(set(numbers)) < len(numbers):
        numbers = list(range(len(files)))
    count = numbers[-1] - numbers[0] + 1
    xyc = np.zeros((count, NUM_KEYPOINTS, 3), np.float32)
    digest, last = hashlib.sha256(), None
    for file, number in zip(files, numbers, strict=True):
        content = file.read_bytes()
        digest.update(content)
        last = _pick(_people(file, content), last)
        if last is not None:
            xyc[number - numbers[0]] = last
    seen = (xyc[..., 2] > 0).any(axis=1)
    if not seen.any():
        raise InputError(f"nobody is in any of the {len(files)} OpenPose files of {folder}.")
    if xyc[..., :2].max() <= 1.5:
        raise InputError(f"the keypoints of {folder} are not in px; run OpenPose with --keypoint_scale 0.")
    status = np.where(seen, FrameStatus.MEASURED, FrameStatus.MISSING).astype(np.uint8)
    pose = Pose(xyc[..., :2].copy(), xyc[..., 2].copy())
    time_s = np.array([float(i / fps) for i in range(count)])
    return PoseTrack(pose, time_s, status, width_px, height_px, "openpose", digest.hexdigest())


def _people(file: Path, content: bytes) -> list[FloatArray]:
    """All people in one file, each [K,3] as x, y, confidence."""
    try:
        people = [np.array(person["pose_keypoints_2d"], np.float32) for person in json.loads(content)["people"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is not an OpenPose JSON file or is damaged; run OpenPose again or remove it.") from error
    return [_to_keypoints(file, flat) for flat in people if flat.size]


def _to_keypoints(file: Path, flat: FloatArray) -> FloatArray:
    places = _PLACES.get(flat.size // 3) if flat.ndim == 1 and flat.size % 3 == 0 else None
    if places is None or not np.isfinite(flat).all():
        raise InputError(f"{file} does not hold 18 or 25 keypoints; run OpenPose with --model_pose BODY_25 or COCO.")
    xyc = np.zeros((NUM_KEYPOINTS, 3), np.float32)
    xyc[places[:, 1]] = flat.reshape(-1, 3)[places[:, 0]]
    xyc[:, 2] = xyc[:, 2].clip(0, 1)
    xyc[xyc[:, 2] == 0] = 0
    return xyc


def _pick(people: list[FloatArray], last: FloatArray | None) -> FloatArray | None:
    """The person nearest to the last pose; without one, the largest."""
    people = [person for person in people if person[:, 2].any()]
    if not people:
        return None
    if last is None:
        return max(people, key=_size_px)

    def distance_px(person: FloatArray) -> float:
        both = (person[:, 2] > 0) & (last[:, 2] > 0)
        return float(np.median(np.linalg.norm((person - last)[both, :2], axis=1))) if both.any() else np.inf

    return min(people, key=distance_px)


def _size_px(person: FloatArray) -> float:
    return float(np.ptp(person[person[:, 2] > 0, :2], axis=0).max())


def _number(file: Path) -> int:
    """The frame's number in the file's name; -1 without one."""
    numbers: list[Any] = re.findall(r"\d+", file.stem)
    return int(numbers[-1]) if numbers else -1
