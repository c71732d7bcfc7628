"""Save and load pose tracks: a compressed .npz file of plain arrays, validated on loading.

The fields are those of `PoseTrack`; nothing is pickled.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from dancenow.errors import InputError, OutputError
from dancenow.skeleton import KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FrameStatus, Pose, PoseTrack

FORMAT: Final = "dancenow-track-1"


def save_track(path: Path, track: PoseTrack) -> None:
    """Write a track to an .npz file that appears only when complete.

    Raises:
        UserError: the name does not end in .npz, or the file cannot be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise OutputError(f"cannot write {path}: give the track a name that ends in .npz.")
    with complete_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.array(FORMAT),
            keypoints=np.array(KEYPOINTS),
            xy=track.pose.xy,
            confidence=track.pose.confidence,
            depth=track.pose.depth,
            time_s=track.time_s,
            status=track.status,
            size_px=np.array([track.width_px, track.height_px]),
            detector=np.array(track.detector),
            source_sha256=np.array(track.source_sha256),
            cuts=np.array(track.cuts, np.int64),
            repeated=np.array(track.repeated, np.int64),
        )


def load_track(path: Path) -> PoseTrack:
    """Read a track written by `save_track`.

    Raises:
        UserError: the file is missing, is no track, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; make a track with `dancenow pose VIDEO -o {path.name}`.")
    try:
        # Opened here, because numpy leaves the file of a bad archive open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is not a pose track or is damaged; make it again with `dancenow pose`.") from error
    if str(held.get("format")) != FORMAT or tuple(held.get("keypoints", ())) != KEYPOINTS:
        raise InputError(f"{path} is not a pose track of this version; make it again with `dancenow pose`.")
    try:
        pose = Pose(held["xy"], held["confidence"], held["depth"])
        width_px, height_px = (int(side) for side in held["size_px"])
        track = PoseTrack(
            pose,
            held["time_s"],
            held["status"],
            width_px,
            height_px,
            str(held["detector"]),
            str(held["source_sha256"]),
            cuts=tuple(int(cut) for cut in held.get("cuts", ())),
            repeated=tuple(int(frame) for frame in held.get("repeated", ())),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path} is a damaged pose track ({error}); make it again with `dancenow pose`.") from error
    if not np.isin(track.status, list(FrameStatus)).all():
        raise InputError(f"{path} is a damaged pose track (unknown status); make it again with `dancenow pose`.")
    return track
