"""Whether a dataset may be used: every check that `check.CHECKS` names, over clips, subjects or shards alike.

Files are read once each; nothing is written.
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
from dancenow.research.dataset.findings import CHECKS, Facts, Finding, PersonFacts, Report
from dancenow.research.dataset.index import CLIPS, Dataset, Entry
from dancenow.research.dataset.leakage import leaks
from dancenow.research.dataset.source import FolderSource, ShardSource, track_suffix, video_suffix
from dancenow.research.dataset.statistics import person_facts
from dancenow.storage.atomic_io import sha256_of
from dancenow.types import PoseTrack

FEW_POSES, ONE_SIDED = 12, 0.02
MANY_MISSING, MANY_JUMPS, MANY_CUT = 0.1, 1.0, 0.1
HIDDEN_FACE, SMALL_FACE_PX = 0.3, 20.0
FAR_FROM_DETECTOR: Final = 0.06
"""Body heights: detectors differ from exact poses of a rendered dancer by a third of it."""


def validate(
    source: FolderSource | ShardSource, *, detector: int = 0, on_progress: ProgressCallback = ignore_progress
) -> Report:
    """Check a dataset.

    Args:
        detector: how many clips to compare with a pose detector, spread over the dataset; this takes a while.

    Raises:
        UserError: `detector` is senseless, or the detector's files cannot be had.
    """
    if detector < 0:
        raise OptionError(f"the number of clips to detect in must not be negative, got {detector}.")
    dataset = source.dataset
    findings = [*_stray(source), *_consents(dataset), *leaks(dataset)]
    people: list[PersonFacts] = []
    done = 0
    for identity in dataset.identities:
        tracks = []
        for entry in dataset.of(identity):
            found, track = _look_at(source, entry)
            findings += found
            tracks += [] if track is None else [track]
            done += 1
            on_progress(Progress("checking", done, len(dataset.entries)))
        if tracks:
            try:
                people.append(person_facts(identity, tracks))
            except UserError as error:
                findings.append(Finding("error", "poses", f"{identity}: {error}"))
    findings += [finding for person in people for finding in _judge(person)]
    distances = _compare(source, detector, findings, on_progress) if detector else {}
    checked = tuple(name for name in CHECKS if name != "detector" or detector)
    return Report(checked, tuple(findings), Facts(tuple(people), distances))


def _stray(source: FolderSource | ShardSource) -> Iterator[Finding]:
    """Shards that have changed; files of which the index knows nothing."""
    if isinstance(source, ShardSource):
        for sentence in source.shards.verify():
            yield Finding("error", "hashes", sentence)
    elif source.dataset.kind == "rendered" and (source.folder / CLIPS).is_dir():
        known = {entry.key for entry in source.dataset.entries}
        strange = sorted(path.name for path in (source.folder / CLIPS).iterdir() if path.name not in known)
        if strange:
            yield Finding("warning", "hashes", f"the index knows nothing of {len(strange)} in {CLIPS}, such as {strange[0]}")


def _consents(dataset: Dataset) -> Iterator[Finding]:
    """Everybody's consent; a rendered dataset says of all that nobody is real."""
    if dataset.kind == "rendered":
        if dict(dataset.about.get("consent") or {}).get("kind") != "rendered" or not dataset.about.get("licence"):
            yield Finding("error", "consent", "the index does not say that the people are rendered, and under which licence")
        return
    for entry in dataset.entries:
        try:
            require_usable(dataset, entry)
        except UserError as error:
            yield Finding("error", "consent", str(error).removesuffix("."))


def _look_at(source: FolderSource | ShardSource, entry: Entry) -> tuple[list[Finding], PoseTrack | None]:
    """A clip's files one by one, and whether they fit together; its track, if that can be read."""
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
                (_picture_fits(files, size), "a background that cannot be read or has another size"),
            )
            found += [Finding("error", "files", f"{entry.key} has {what}") for fit, what in fits if not fit]
    except UserError as error:
        found.append(Finding("error", "hashes" if "missing" in str(error) else "files", str(error).removesuffix(".")))
    return found, track


def _picture_fits(files: Mapping[str, Path], size: tuple[int, int]) -> bool:
    """Whether the background, if there is one, is a picture of the video's size (width, height)."""
    for suffix in ("background.png", "plate.png"):
        if suffix in files:
            picture = cv2.imdecode(np.frombuffer(files[suffix].read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            return picture is not None and picture.shape[:2] == size[::-1]
    return True


def _judge(person: PersonFacts) -> Iterator[Finding]:
    """What one should know about a person's footage."""
    who = person.identity
    if person.distinct_poses < FEW_POSES:
        yield Finding(
            "warning", "coverage", f"{who} shows only {person.distinct_poses} different poses in {person.seconds:.0f} s"
        )
    sides = {"the front": person.front, "a side": person.side, "the back": person.back}
    if unseen := [side for side, share in sides.items() if share < ONE_SIDED]:
        yield Finding("warning", "coverage", f"{who} is hardly ever seen from {' or '.join(unseen)}")
    if person.missing > MANY_MISSING:
        yield Finding("warning", "poses", f"{who} has no pose in {person.missing:.0%} of the frames")
    if person.jumps > MANY_JUMPS:
        yield Finding("warning", "poses", f"{who} leaps {person.jumps:.0f} times a minute, as only slips of a detector do")
    if person.cut > MANY_CUT:
        yield Finding("warning", "poses", f"{who} is cut off by the picture's edge in {person.cut:.0%} of the frames")
    if person.face_visible < HIDDEN_FACE:
        yield Finding("warning", "faces", f"the face of {who} shows in only {person.face_visible:.0%} of the frames")
    elif person.face_px < SMALL_FACE_PX:
        yield Finding("warning", "faces", f"the head of {who} is only {person.face_px:.0f} px large")


def _compare(
    source: FolderSource | ShardSource, count: int, findings: list[Finding], on_progress: ProgressCallback
) -> dict[str, float]:
    """The distance between a detector's poses and the tracks, in body heights, of some clips."""
    entries = source.dataset.entries
    distances = {}
    for number in np.unique(np.linspace(0, len(entries) - 1, min(count, len(entries))).round().astype(int)):
        entry = entries[int(number)]
        try:
            with source.files(entry, track_suffix(source.dataset), video_suffix(entry)) as files:
                track = load_track(files[track_suffix(source.dataset)])
                seen = detect_poses(files[video_suffix(entry)], use_cache=False, on_progress=on_progress)
        except UserError as error:
            findings.append(Finding("warning", "detector", f"{entry.key}: {str(error).removesuffix('.')}"))
            continue
        if len(seen) != len(track):
            continue  # said already: the video has another length
        apart = float(np.nanmean(pose_distance_px(seen.pose, track.pose))) / body_statistics(track).height_px
        distances[entry.key] = round(apart, 4)
        if not apart < FAR_FROM_DETECTOR:
            findings.append(Finding("warning", "detector", f"a detector differs from {entry.key} by {apart:.1%} of the height"))
    return distances
