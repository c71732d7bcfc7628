"""Write subject folders: from a video, with estimated poses, background and quality, or from data known in advance."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from dancenow.compatibility import renamed_keywords
from dancenow.errors import InputError, OutputError
from dancenow.execution import Execution, reporting
from dancenow.media.integrity import require_complete
from dancenow.media.source import VideoInput, VideoSource, open_video
from dancenow.metrics.poses import pose_distance_px, torso_px
from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.detectors.registry import create_detector
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.track_io import save_track
from dancenow.pose.tracking.reidentification import PeopleSurvey
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import Consent
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of
from dancenow.storage.file_names import as_text
from dancenow.subject.footage_quality import footage_warnings, ground_warnings, require_enough_footage
from dancenow.subject.footage_survey import survey_footage
from dancenow.subject.manifest import CHECKED_FILES, MANIFEST, OPTIONAL_FILES, Span, SubjectManifest
from dancenow.subject.matte.refined_masks import refine_masks
from dancenow.subject.overlays import OverlayChoice
from dancenow.subject.shot_selection import select_shots
from dancenow.subject.subject import Subject, save_plate
from dancenow.types import FrameStatus, Plate, PoseTrack

_DETECTOR: Final = "blazepose-4crops"
"""The footage is detected once, so the steadier landmarks are worth four times the cost."""
_IGNORED_FILES: Final = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that file managers create in any folder."""
_SAME_PERSON_TORSOS: Final = 0.5
"""A given track and the detected one show the same person if their median distance is below this fraction of the torso."""
_VAL_FRACTION, _VAL_GAP_S, _VAL_MIN_DURATION_S = 0.1, 1.0, 20.0


@renamed_keywords(listen="on_progress")
def prepare(
    video: VideoInput,
    out: Path,
    *,
    track: PoseTrack | None = None,
    person: int | None = None,
    licence: str | None = None,
    consent: Consent | None = None,
    hold_out: bool | float = False,
    accept_damaged: bool = False,
    overlays: OverlayChoice = "keep",
    execution: Execution | None = None,
    on_progress: ProgressCallback = ignore_progress,
) -> Subject:
    """Detect the person, estimate the background plate, check the footage quality, and write the subject folder `out`.

    Args:
        track: the person's poses in this video, if they are known more exactly than the detector finds them (from a rendered
            clip, or corrected by hand). The masks still come from the detector, which must find the same person.
        person: number of the person to track, as in `detect_poses`.
        licence: SPDX identifier of the footage's licence; by default that of the consent.
        consent: who is in the video and the terms of use. It can be added later (`record_consent`), before training.
        hold_out: exclude the last tenth from training and from the background plate, for evaluation, if the footage is long
            enough; a fraction excludes that part of any footage.
        accept_damaged: use what can be read of a video that is cut off or damaged; a warning says what is missing.
        overlays: what happens to bars, borders, captions and logos of the video, see `OverlayChoice`.
        execution: its token cancels the call, which then leaves nothing behind.

    Raises:
        UserError: the video cannot be read or is damaged, nobody can be tracked in it for long enough, the track belongs to
            another video or another person, or `out` is not a subject folder, holds other files, or is not writable.
    """
    out, on_progress = Path(out), reporting(on_progress, execution)
    _require_replaceable(out)
    source = open_video(video, accept_damaged=accept_damaged)
    damage = require_complete(source, on_progress)
    people = PeopleSurvey(create_detector(_DETECTOR, on_progress), source, on_progress=on_progress)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        masks = folder / "masks.mkv"
        detected = detect_poses(source, person=person, masks=masks, survey=people, on_progress=on_progress)
        track = detected if track is None else _matching_track(track, detected, source)
        selected = select_shots(source, track)
        track = selected.track
        require_enough_footage(selected.used_track, source)
        first, last = np.flatnonzero(selected.used)[[0, -1]]
        splits_s = split_by_time(float(track.time_s[last] + 1 / track.fps), hold_out, float(track.time_s[first]))
        in_training = (track.time_s >= splits_s["train"][0]) & (track.time_s < splits_s["train"][1])
        measured = in_training & (track.status == FrameStatus.MEASURED)
        survey = survey_footage(source, masks, selected, measured, overlays, on_progress)
        survey.save(folder)
        found = footage_warnings(survey.images, people.counts, selected.used_track, body_statistics(track), person)
        grounds = ground_warnings(replace(selected, track=survey.to_world(track)).used_track)
        warnings = (*damage, *selected.warnings, *survey.warnings, *found, *grounds)
        refine_masks(source, masks, survey.background_of, exposure=survey.exposure, on_progress=on_progress)
        manifest = _write_contents(folder, source, track, survey.plate, source.path.stem, splits_s, warnings, licence, consent)
    return Subject(out, manifest, track, survey.plate, survey.overlays, survey.camera)


def write_subject(
    out: Path,
    *,
    name: str,
    video: Path,
    track: PoseTrack,
    masks: Path,
    plate: Plate,
    splits_s: Mapping[str, Span],
    consent: Consent,
) -> Subject:
    """Write a subject folder from known data, such as a rendered person: nothing is detected, estimated or checked.

    track: poses in this video. masks: video of one mask per frame. splits_s: split -> (start, stop) in seconds.

    Raises:
        UserError: `out` is not a subject folder, holds other files, or is not writable.
    """
    _require_replaceable(out)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        shutil.copyfile(masks, folder / "masks.mkv")
        manifest = _write_contents(folder, open_video(video), track, plate, name, splits_s, (), consent.licence, consent)
    return Subject(out, manifest, track, plate)


def _write_contents(
    folder: Path,
    source: VideoSource,
    track: PoseTrack,
    plate: Plate,
    name: str,
    splits_s: Mapping[str, Span],
    warnings: tuple[str, ...],
    licence: str | None,
    consent: Consent | None,
) -> SubjectManifest:
    """Write everything into a folder that already holds the masks; the manifest comes last."""
    video = source.path
    save_track(folder / "track.npz", track)
    save_plate(folder, plate)
    manifest = SubjectManifest(
        name=as_text(name),
        video=as_text(f"video{video.suffix.lower()}"),
        video_bytes=video.stat().st_size,
        source_sha256=track.source_sha256,
        detector=track.detector,
        width_px=track.width_px,
        height_px=track.height_px,
        fps=str(source.info.fps),
        num_frames=len(track),
        splits_s=splits_s,
        body=body_statistics(track),
        warnings=warnings,
        files={file: sha256_of(folder / file) for file in (*CHECKED_FILES, *OPTIONAL_FILES) if (folder / file).is_file()},
        licence=licence or (consent.licence if consent else None),
        consent=consent,
    )
    shutil.copyfile(video, folder / manifest.video)
    (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return manifest


def _matching_track(track: PoseTrack, detected: PoseTrack, video: VideoSource) -> PoseTrack:
    """Check that the given track belongs to this video and to the person in the masks; return it with the video's digest."""
    size, video_size = (track.width_px, track.height_px), (detected.width_px, detected.height_px)
    if track.source_sha256 and track.source_sha256 != detected.source_sha256:
        raise InputError(f"the track belongs to another video than {video}; create it again with `dancenow pose {video}`.")
    if len(track) != len(detected) or size != video_size:
        raise InputError(
            f"the track has {len(track)} frames of {size[0]}x{size[1]} px but {video} has {len(detected)} of"
            f" {video_size[0]}x{video_size[1]}; give the track of this video."
        )
    distance_px = pose_distance_px(track.pose, detected.pose)
    if not np.nanmedian(distance_px) < _SAME_PERSON_TORSOS * torso_px(detected):
        raise InputError(
            f"the track does not match the person detected in {video}; choose another with --person, or give the track of"
            " this video."
        )
    return replace(track, source_sha256=detected.source_sha256, cuts=detected.cuts, repeated=detected.repeated)


def _require_replaceable(out: Path) -> None:
    """Raise UserError unless `out` is new, empty, or a subject folder without other files: its contents will be replaced."""
    require_writable(out, folder=True)
    if not out.is_dir():
        return
    names = {path.name for path in out.iterdir()} - set(_IGNORED_FILES)
    if names and MANIFEST not in names:
        raise OutputError(f"{out} exists and is not a subject folder; give the name of a new folder.")
    try:
        video = str(json.loads((out / MANIFEST).read_text("utf-8"))["video"]) if names else ""
    except (OSError, ValueError, KeyError, TypeError):
        video = next((name for name in names if Path(name).stem == "video"), "")  # a damaged subject may be replaced
    if other_files := sorted(names - {MANIFEST, *CHECKED_FILES, *OPTIONAL_FILES, video}):
        raise InputError(
            f"{out} also holds {other_files[0]}, which would be lost; move it away or give the name of a new folder."
        )


def split_by_time(duration_s: float, hold_out: bool | float, start_s: float = 0.0) -> dict[str, Span]:
    """Assign everything to training; with `hold_out` and 20 s or more, the last tenth to validation, after a gap of 1 s.

    A fraction holds out that part at the end of footage of any length, after a gap of a quarter of it, at most 1 s. What is
    used of the footage begins at `start_s` and ends at `duration_s`: titles are no validation.
    """
    used_s = duration_s - start_s
    if hold_out is True:
        hold_out = _VAL_FRACTION if used_s >= _VAL_MIN_DURATION_S else 0.0
    if not hold_out:
        return {"train": (0.0, duration_s)}
    val_start_s = start_s + used_s * (1 - hold_out)
    gap_s = min(_VAL_GAP_S, hold_out * used_s / 4)
    return {"train": (0.0, val_start_s - gap_s), "val": (val_start_s, duration_s)}
