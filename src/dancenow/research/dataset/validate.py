"""Validate a dataset of clips, subjects or shards with all checks of `findings.CHECKS`.

Every file is read once; nothing is written.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dancenow.errors import OptionError, UserError
from dancenow.media.source import probe, read_masks
from dancenow.metrics.poses import pose_distance_px
from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.track_io import load_track
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.dataset.consents import require_usable
from dancenow.research.dataset.findings import CHECKS, DatasetStatistics, Finding, PersonStatistics, ValidationReport
from dancenow.research.dataset.index import CLIPS, Dataset, Entry
from dancenow.research.dataset.leakage import find_leaks
from dancenow.research.dataset.source import FolderSource, ShardSource, track_suffix, video_suffix
from dancenow.research.dataset.statistics import person_statistics
from dancenow.storage.atomic_io import sha256_of
from dancenow.types import PoseTrack

MIN_POSES, MIN_SIDE_FRACTION = 12, 0.02
MAX_MISSING, MAX_JUMPS_PER_MIN, MAX_CUT = 0.1, 1.0, 0.1
MIN_FACE_VISIBLE, MIN_FACE_PX = 0.3, 20.0
MAX_DETECTOR_DISTANCE: Final = 0.06
"""Body heights. Detectors differ from the exact poses of a rendered dancer by a third of it."""


def validate(
    source: FolderSource | ShardSource, *, detector: int = 0, on_progress: ProgressCallback = ignore_progress
) -> ValidationReport:
    """Validate a dataset.

    Args:
        detector: number of clips, spread over the dataset, to compare with the pose detector; slow.

    Raises:
        UserError: `detector` is negative, or the files of the detector are not available.
    """
    if detector < 0:
        raise OptionError(f"the number of clips for the detector must not be negative, got {detector}.")
    dataset = source.dataset
    findings = [*_check_unknown_files(source), *_check_consents(dataset), *find_leaks(dataset)]
    people: list[PersonStatistics] = []
    done = 0
    for identity in dataset.identities:
        tracks = []
        for entry in dataset.of(identity):
            found, track = _check_clip(source, entry)
            findings += found
            tracks += [] if track is None else [track]
            done += 1
            on_progress(Progress("checking", done, len(dataset.entries)))
        if tracks:
            try:
                people.append(person_statistics(identity, tracks))
            except UserError as error:
                findings.append(Finding("error", "poses", f"{identity}: {error}"))
    findings += [finding for person in people for finding in _check_person(person)]
    distances = _compare_with_detector(source, detector, findings, on_progress) if detector else {}
    checked = tuple(name for name in CHECKS if name != "detector" or detector)
    return ValidationReport(checked, tuple(findings), DatasetStatistics(tuple(people), distances))


def _check_unknown_files(source: FolderSource | ShardSource) -> Iterator[Finding]:
    """Find changed shards, and files that are not in the index."""
    if isinstance(source, ShardSource):
        for sentence in source.shards.verify():
            yield Finding("error", "hashes", sentence)
    elif source.dataset.kind == "rendered" and (source.folder / CLIPS).is_dir():
        known = {entry.key for entry in source.dataset.entries}
        unknown = sorted(path.name for path in (source.folder / CLIPS).iterdir() if path.name not in known)
        if unknown:
            yield Finding("warning", "hashes", f"{len(unknown)} files in {CLIPS} are not in the index, such as {unknown[0]}")


def _check_consents(dataset: Dataset) -> Iterator[Finding]:
    """Check the consent of everybody; a rendered dataset must declare that nobody is real."""
    if dataset.kind == "rendered":
        if dict(dataset.about.get("consent") or {}).get("kind") != "rendered" or not dataset.about.get("licence"):
            yield Finding("error", "consent", "the index does not declare rendered people and a license")
        return
    for entry in dataset.entries:
        try:
            require_usable(dataset, entry)
        except UserError as error:
            yield Finding("error", "consent", str(error).removesuffix("."))


def _check_clip(source: FolderSource | ShardSource, entry: Entry) -> tuple[list[Finding], PoseTrack | None]:
    """Check the files of a clip and their consistency; return the findings and the track, if readable."""
    found: list[Finding] = []
    track = None
    try:
        with source.files(entry) as files:
            for suffix, record in entry.files.items():
                if files[suffix].stat().st_size != record.bytes or sha256_of(files[suffix]) != record.sha256:
                    found.append(Finding("error", "hashes", f"{suffix} of {entry.key} has changed"))
            track = load_track(files[track_suffix(source.dataset)])
            video = files[video_suffix(entry)]
            masks = next((files[suffix] for suffix in files if suffix.endswith("masks.mkv")), None)
            count = None if masks is None else sum(1 for _ in read_masks(masks))
            info = probe(video)
            size = entry.info["width_px"], entry.info["height_px"]
            fits = (
                (len(track) == entry.num_frames, f"{len(track)} poses for {entry.num_frames} frames"),
                (info.num_frames in (None, entry.num_frames), f"{info.num_frames} frames in the video, not {entry.num_frames}"),
                (count in (None, entry.num_frames), f"{count} masks for {entry.num_frames} frames"),
                ((info.width_px, info.height_px) == size, f"a video of {info.width_px}x{info.height_px} px"),
                ((track.width_px, track.height_px) == size, f"a track of {track.width_px}x{track.height_px} px"),
                (track.source_sha256 == entry.files[video_suffix(entry)].sha256, "a track of another video"),
                (_background_fits(files, size), "a background that cannot be read or has another size"),
            )
            found += [Finding("error", "files", f"{entry.key} has {what}") for fit, what in fits if not fit]
    except UserError as error:
        found.append(Finding("error", "hashes" if "missing" in str(error) else "files", str(error).removesuffix(".")))
    return found, track


def _background_fits(files: Mapping[str, Path], size: tuple[int, int]) -> bool:
    """Return whether the background, if there is one, is an image of the video size (width, height)."""
    for suffix in ("background.png", "plate.png"):
        if suffix in files:
            image = cv2.imdecode(np.frombuffer(files[suffix].read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            return image is not None and image.shape[:2] == size[::-1]
    return True


def _check_person(person: PersonStatistics) -> Iterator[Finding]:
    """Warn about weaknesses of the footage of a person."""
    name = person.identity
    if person.distinct_poses < MIN_POSES:
        yield Finding(
            "warning", "coverage", f"{name} shows only {person.distinct_poses} distinct poses in {person.seconds:.0f} s"
        )
    sides = {"the front": person.front, "a side": person.side, "the back": person.back}
    if unseen := [side for side, fraction in sides.items() if fraction < MIN_SIDE_FRACTION]:
        yield Finding("warning", "coverage", f"{name} is hardly seen from {' or '.join(unseen)}")
    if person.missing > MAX_MISSING:
        yield Finding("warning", "poses", f"{name} has no pose in {person.missing:.0%} of the frames")
    if person.jumps > MAX_JUMPS_PER_MIN:
        yield Finding("warning", "poses", f"{name} jumps {person.jumps:.0f} times per minute, which indicates detector errors")
    if person.cut > MAX_CUT:
        yield Finding("warning", "poses", f"{name} is cut off by the image border in {person.cut:.0%} of the frames")
    if person.face_visible < MIN_FACE_VISIBLE:
        yield Finding("warning", "faces", f"the face of {name} is visible in only {person.face_visible:.0%} of the frames")
    elif person.face_px < MIN_FACE_PX:
        yield Finding("warning", "faces", f"the head of {name} is only {person.face_px:.0f} px large")


def _compare_with_detector(
    source: FolderSource | ShardSource, count: int, findings: list[Finding], on_progress: ProgressCallback
) -> dict[str, float]:
    """Return the distance between detected poses and track, in body heights, of some clips."""
    entries = source.dataset.entries
    distances = {}
    for number in np.unique(np.linspace(0, len(entries) - 1, min(count, len(entries))).round().astype(int)):
        entry = entries[int(number)]
        try:
            with source.files(entry, track_suffix(source.dataset), video_suffix(entry)) as files:
                track = load_track(files[track_suffix(source.dataset)])
                detected = detect_poses(files[video_suffix(entry)], use_cache=False, on_progress=on_progress)
        except UserError as error:
            findings.append(Finding("warning", "detector", f"{entry.key}: {str(error).removesuffix('.')}"))
            continue
        if len(detected) != len(track):
            continue  # reported by _check_clip
        distance = float(np.nanmean(pose_distance_px(detected.pose, track.pose))) / body_statistics(track).height_px
        distances[entry.key] = round(distance, 4)
        if not distance < MAX_DETECTOR_DISTANCE:
            findings.append(
                Finding("warning", "detector", f"a detector differs from {entry.key} by {distance:.1%} of the height")
            )
    return distances
