"""`dancenow pose`: write the pose track of the person in a video or OpenPose folder, and an overlay.

The work is in `dancenow.pose.pipeline.detect_poses`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from dancenow.cli.options import Flag, Maybe, Out

if TYPE_CHECKING:
    from dancenow.types import PoseTrack


def pose(
    video: tyro.conf.Positional[Path],
    output: Out,
    overlay: Maybe[Path] = None,
    people: Flag = False,
    person: Maybe[int] = None,
    accept_damaged: Flag = False,
    masks: Maybe[Path] = None,
    openpose_out: Maybe[Path] = None,
    video_size: Maybe[str] = None,
    fps: Maybe[str] = None,
) -> None:
    """Track one person in a video and write the keypoints.

    - Follows one person, finds them again after a gap, and never switches.
    - Fills and marks short gaps; removes jumps and jitter.

    Args:
        video: A video, or a folder of OpenPose JSON files.
            A folder also needs --video-size and --fps.
        output: The pose track to write, an .npz file.
            With --people the picture to write, a .png file.
        overlay: Also write the video with the skeleton drawn on it (.mp4).
        people: Only list the people in the video with their numbers.
            Draws numbered boxes around them.
        person: Person to follow, counted from 1.
            In the frame with the most people they are numbered
            by size and distance to the center.
            By default the largest, most central and most often seen.
        accept_damaged: Use what can be read of a damaged video.
            By default it is an error.
        masks: Also write soft person masks, an .mkv file.
        openpose_out: Also write a new folder of OpenPose JSON (18 keypoints).
        video_size: Frame size of an OpenPose folder, such as 1920x1080.
        fps: Frame rate of an OpenPose folder, such as 29.97 or 30000/1001.
    """
    from dancenow.cli.console import console, live
    from dancenow.errors import OptionError
    from dancenow.media.shots import describe_cuts
    from dancenow.media.source import VideoSource
    from dancenow.pose.openpose_json import write_openpose
    from dancenow.pose.overlay import write_overlay
    from dancenow.pose.pipeline import detect_poses
    from dancenow.pose.track_io import save_track

    if people:
        if (overlay, masks, openpose_out, person) != (None, None, None, None) or video.is_dir():
            raise OptionError("--people only lists the people in a video; give no option but --output and --accept-damaged.")
        _list_people(video, output, accept_damaged)
        return
    _require_outputs(video, output, overlay, masks, openpose_out)
    with live() as on_progress:
        if video.is_dir():
            if overlay or masks:
                raise OptionError("an OpenPose folder has no images; leave out --overlay and --masks.")
            track = _from_openpose(video, video_size, fps)
        else:
            source = VideoSource.open(video)
            track = detect_poses(source, person=person, masks=masks, accept_damaged=accept_damaged, on_progress=on_progress)
        save_track(output, track)
        if openpose_out is not None:
            write_openpose(openpose_out, track)
        if overlay is not None:
            write_overlay(source, track, overlay, on_progress)
    console.print(f"{output}: {summary(track)}", highlight=False, soft_wrap=True)
    cuts = None if video.is_dir() else describe_cuts(source.shots, track.time_s)
    if cuts is not None:
        console.print(f"There {cuts}; poses on both sides are not connected.", highlight=False, soft_wrap=True)


def _require_outputs(video: Path, output: Path, overlay: Path | None, masks: Path | None, openpose_out: Path | None) -> None:
    """Raises OutputError for names that are the input or cannot be written."""
    from dancenow.errors import OutputError
    from dancenow.pose.openpose_json import require_new_folder
    from dancenow.storage.atomic_io import require_writable

    for written in (output, overlay, masks):
        if written is not None and written.resolve() == video.resolve():
            raise OutputError(f"{written} is the input; choose another output name.")
    for written, suffix in ((output, ".npz"), (overlay, ".mp4"), (masks, ".mkv")):
        if written is not None:
            require_writable(written, suffix)
    if openpose_out is not None:
        require_new_folder(openpose_out)


def _list_people(video: Path, picture: Path, accept_damaged: bool) -> None:
    """Print the people in a video and write a picture of them."""
    import cv2

    from dancenow.cli.console import console, live
    from dancenow.media.integrity import require_complete
    from dancenow.media.source import open_video
    from dancenow.pose.detectors.registry import create_detector
    from dancenow.pose.people_list import list_people
    from dancenow.pose.tracking.reidentification import PeopleSurvey
    from dancenow.storage.atomic_io import complete_or_absent, require_other, require_writable

    require_other(picture, video)
    require_writable(picture, ".png")
    source = open_video(video, accept_damaged=accept_damaged)
    with live() as on_progress:
        require_complete(source, on_progress)
        listed = list_people(PeopleSurvey(create_detector(on_progress=on_progress), source, on_progress=on_progress))
    with complete_or_absent(picture) as temporary:
        temporary.write_bytes(cv2.imencode(".png", listed.draw()[..., ::-1])[1].tobytes())
    lasts_s = source.info.duration_s
    for person in listed.people:
        seen = (
            f"in {person.seen:.0%} of the video"
            if lasts_s is None
            else f"for about {person.seen * lasts_s:.0f} of {lasts_s:.0f} s"
        )
        tall = person.height_px / source.info.height_px
        sentence = f"person {person.number}: seen {seen}, {person.height_px} px tall ({tall:.0%} of the frame)"
        console.print(sentence, highlight=False, soft_wrap=True)
    console.print(f"{picture}: the people at {listed.time_s:.1f} s", highlight=False, soft_wrap=True)


def summary(track: "PoseTrack") -> str:
    """Summarize a track in one line: number of frames, frame rate, and frames per status."""
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
        raise OptionError(f"{folder} is an OpenPose folder; give the frame size with --video-size, such as 1920x1080.")
    try:
        rate = Fraction(fps or "")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise OptionError(f"{folder} is an OpenPose folder; give the frame rate with --fps, such as 30 or 30000/1001.")
    return PosePipeline.create().smooth(read_openpose(folder, int(size[1]), int(size[2]), rate))
