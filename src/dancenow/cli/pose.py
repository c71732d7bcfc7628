"""`dancenow pose`: the dancer's track out of a video or an OpenPose folder, and a picture of it.

The work is `dancenow.pose.pipeline.detect_poses`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from dancenow.types import PoseTrack


def pose(
    video: tyro.conf.Positional[Path],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    overlay: Path | None = None,
    person: int | None = None,
    masks: Path | None = None,
    openpose_out: Path | None = None,
    video_size: str | None = None,
    fps: str | None = None,
) -> None:
    """Find the dancer in every frame of a video and write the track of keypoints.

    One person is followed throughout, found again after a loss, and never exchanged for another. Short gaps are filled and
    marked; jumps and jitter are removed.

    Args:
        video: a video, or a folder of OpenPose JSON files (then --video-size and --fps are needed).
        output: the track, an .npz file.
        overlay: also write the video with the dancer's skeleton drawn on it, an .mp4 file.
        person: whom to follow: in the frame that shows most people they are numbered from 1 by size and centrality.
            Without it, whoever is largest, most central and most often seen.
        masks: also write soft masks of the dancer, an .mkv file.
        openpose_out: also write the track as a new folder of OpenPose JSON files (18 points).
        video_size: size of the frames that an OpenPose folder was made from, such as 1920x1080.
        fps: frame rate of the video that an OpenPose folder was made from, such as 29.97 or 30000/1001.
    """
    from dancenow.cli.console import console, live
    from dancenow.errors import OptionError, OutputError
    from dancenow.pose.openpose_json import require_new_folder, write_openpose
    from dancenow.pose.overlay import write_overlay
    from dancenow.pose.pipeline import detect_poses
    from dancenow.pose.track_io import save_track
    from dancenow.storage.atomic_io import require_writable

    for written in (output, overlay, masks):
        if written is not None and written.resolve() == video.resolve():
            raise OutputError(f"{written} is the input; give the output another name.")
    for written, suffix in ((output, ".npz"), (overlay, ".mp4"), (masks, ".mkv")):
        if written is not None:
            require_writable(written, suffix)
    if openpose_out is not None:
        require_new_folder(openpose_out)
    with live() as on_progress:
        if video.is_dir():
            if overlay or masks:
                raise OptionError("an OpenPose folder has no pictures; leave out --overlay and --masks.")
            track = _from_openpose(video, video_size, fps)
        else:
            track = detect_poses(video, person=person, masks=masks, on_progress=on_progress)
        save_track(output, track)
        if openpose_out is not None:
            write_openpose(openpose_out, track)
        if overlay is not None:
            write_overlay(video, track, overlay, on_progress)
    console.print(f"{output}: {summary(track)}", highlight=False, soft_wrap=True)


def summary(track: "PoseTrack") -> str:
    """One line on a track: frames, rate, and how many of them were measured, filled and missing."""
    import numpy as np

    from dancenow.types import FrameStatus

    counts = np.bincount(track.status, minlength=len(FrameStatus))
    words = ", ".join(f"{counts[status]} {status.name.lower()}" for status in FrameStatus if counts[status])
    return f"{len(track)} frames, {track.fps:.4g} fps, {words}"


def _from_openpose(folder: Path, video_size: str | None, fps: str | None) -> "PoseTrack":
    import re
    from fractions import Fraction

    from dancenow.errors import OptionError
    from dancenow.pose.openpose_json import read_openpose
    from dancenow.pose.pipeline import PosePipeline

    size = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", video_size or "")
    if size is None or not min(map(int, size.groups())):
        raise OptionError(f"{folder} is an OpenPose folder; say the size of its frames with --video-size, such as 1920x1080.")
    try:
        rate = Fraction(fps or "")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise OptionError(f"{folder} is an OpenPose folder; say its frame rate with --fps, such as 30 or 30000/1001.")
    return PosePipeline.create().smooth(read_openpose(folder, int(size[1]), int(size[2]), rate))
