"""From a video to the dancer's track: one pose per frame, and a soft mask of the person beside it.

Measuring follows one person with BlazePose, in constant memory; what was measured is kept by the content of the video, so
that the same video is never measured twice; smoothing and taking off the detector's habits is cheap and is done anew each time.
"""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from dancenow.compatibility import renamed_keywords
from dancenow.errors import InputError, OptionError, UserError
from dancenow.media.sink import MaskWriter
from dancenow.media.source import probe, read_frames
from dancenow.pose.detectors.bias_correction import correct_bias
from dancenow.pose.detectors.blazepose import BlazePose
from dancenow.pose.filtering.smoothing import smooth
from dancenow.pose.track_io import load_track, save_track
from dancenow.pose.tracking.backward_tracking import track_with_backfill
from dancenow.pose.tracking.reidentification import choose, first_look
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.skeleton import NUM_KEYPOINTS
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, require_writable, sha256_of
from dancenow.types import FloatArray, FrameStatus, Pose, PoseTrack

DETECTOR: Final = "blazepose-full/4"
"""Name and version of what `measure_poses` does; a change of it makes cached tracks stale."""
MASK_SIDE_PX: Final = 640
"""Longer side of a mask, at most; the network gives no more detail."""
_FEW_LOOKS: Final = 4
"""At so many frames a video is looked at for people before it is followed sparsely."""
MIN_SEEN: Final = 0.1
"""A person seen in less of the video than this cannot be followed or learnt."""


@renamed_keywords(listen="on_progress")
def detect_poses(
    video: Path,
    *,
    person: int | None = None,
    masks: Path | None = None,
    every: int = 1,
    use_cache: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> PoseTrack:
    """The track of one dancer, smoothed and corrected, with short gaps filled: a pose per frame of the video.

    Args:
        video: any file that `read_frames` reads.
        person: number of the person to follow, counted from 1 by size and centrality in the frame that shows most people;
            None for whoever is largest, most central and most often seen.
        masks: where to write soft masks (`read_masks`), one per frame, 255 = person, of the frame scaled so that its
            longer side is at most 640 px; all 0 where the person was not found.
        every: look only at each `every`-th frame, from the first: a track of fewer frames a second, for measurements.
        use_cache: take what was measured before for the same content, and keep what is measured now.

    Raises:
        UserError: the video cannot be read, nobody or no such person is in it, or the person is in too few of its frames.
    """
    probe(video)  # what cannot be read is explained before it is hashed
    _require_number(person)
    if masks is not None:
        require_writable(masks)
    sha256 = sha256_of(video)
    if not use_cache:
        return _postprocess(
            measure_poses(video, person=person, masks=masks, every=every, sha256=sha256, on_progress=on_progress)
        )
    stem = f"{sha256[:40]}-{DETECTOR.replace('/', '-')}-{'auto' if person is None else person}"
    stem += f"-{every}" if every > 1 else ""
    kept_track, kept_masks = cache_dir("tracks") / f"{stem}.npz", cache_dir("tracks") / f"{stem}.mkv"
    track = _load_if_sound(kept_track)
    if track is None or (masks is not None and not kept_masks.exists()):
        kept = kept_masks if masks else None
        track = measure_poses(video, person=person, masks=kept, every=every, sha256=sha256, on_progress=on_progress)
        save_track(kept_track, track)
    if masks is not None:
        with complete_or_absent(masks) as temporary:
            shutil.copyfile(kept_masks, temporary)
    return _postprocess(track)


def measure_poses(
    video: Path,
    *,
    person: int | None = None,
    masks: Path | None = None,
    every: int = 1,
    sha256: str = "",
    on_progress: ProgressCallback = ignore_progress,
) -> PoseTrack:
    """What the detector says of each frame, before smoothing: MEASURED or MISSING. Arguments and errors as `detect_poses`."""
    info = probe(video)
    _require_number(person)
    blaze = BlazePose(on_progress=on_progress)
    looks = first_look(blaze, video, _FEW_LOOKS if every > 1 else None, on_progress)
    tracker = PersonTracker(blaze, choose(looks, person, video))
    scale = min(1.0, MASK_SIDE_PX / max(info.width_px, info.height_px))
    mask_width_px, mask_height_px = max(1, round(info.width_px * scale)), max(1, round(info.height_px * scale))
    nothing = np.zeros((mask_height_px, mask_width_px), np.uint8)
    times: list[float] = []
    poses: list[Pose] = []
    status: list[FrameStatus] = []
    with ExitStack() as stack:
        writer = stack.enter_context(MaskWriter(masks, mask_width_px, mask_height_px)) if masks else None
        for time_s, landmarks in track_with_backfill(
            tracker, stack.enter_context(prefetch(read_frames(video, 0, None, every)))
        ):
            times.append(float(time_s))
            poses.append(landmarks.pose if landmarks else _NOBODY)
            status.append(FrameStatus.MEASURED if landmarks else FrameStatus.MISSING)
            if writer:
                found = landmarks.mask(mask_width_px, mask_height_px, info.width_px) if landmarks else nothing
                writer.write(found)
            on_progress(Progress("follow the dancer", len(times) * every, info.num_frames))
        seen = status.count(FrameStatus.MEASURED)
        if seen < max(2, MIN_SEEN * len(poses)):
            raise InputError(
                f"the person to follow was found in only {seen} of {len(poses)} frames of {video}; film one whole person,"
                " well lit, or choose another with --person."
            )
    whole = Pose(*(np.stack([getattr(pose, name) for pose in poses]) for name in ("xy", "confidence", "depth")))
    return PoseTrack(whole, np.array(times), np.array(status, np.uint8), info.width_px, info.height_px, DETECTOR, sha256)


def _postprocess(measured: PoseTrack) -> PoseTrack:
    return correct_bias(smooth(measured), measured)


def _require_number(person: int | None) -> None:
    if person is not None and person < 1:
        raise OptionError(f"there is no person {person}: people are counted from 1.")


def _zeros(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)


_NOBODY: Final = Pose(_zeros(NUM_KEYPOINTS, 2), _zeros(NUM_KEYPOINTS), _zeros(NUM_KEYPOINTS))


def _load_if_sound(path: Path) -> PoseTrack | None:
    try:
        return load_track(path) if path.exists() else None
    except UserError:
        return None  # a damaged cache entry is only a reason to measure again
