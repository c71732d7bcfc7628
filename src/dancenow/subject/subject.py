"""A subject: one person's footage made ready to learn from, as a folder that explains and checks itself.

The folder holds `manifest.json`, a copy of the video, `track.npz`, `masks.mkv`, `plate.png` and `known.png`; `prepare` makes it
in one step or not at all, and `Subject.open` trusts nothing in it before it has been checked.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow import __version__
from dancenow.compatibility import renamed_keywords
from dancenow.errors import InputError, OutputError, UserError
from dancenow.media.source import probe, read_frames, read_masks
from dancenow.metrics.poses import pose_distance_px, torso_px
from dancenow.pose.body_statistics import BodyStatistics, body_statistics
from dancenow.pose.detectors.bias_correction import RECIPE as CORRECT_RECIPE
from dancenow.pose.filtering.smoothing import SmoothConfig
from dancenow.pose.pipeline import DETECTOR, detect_poses
from dancenow.pose.track_io import load_track, save_track
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.provenance.consent import Consent, grant, withdraw
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of
from dancenow.subject.background.background_plate import RECIPE as PLATE_RECIPE
from dancenow.subject.background.background_plate import estimate_plate
from dancenow.subject.footage_quality import examine, require_enough
from dancenow.types import Frame, FrameStatus, Plate, PoseTrack

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"
_CHECKED: Final = ("track.npz", "plate.png", "known.png", "masks.mkv")
_STRAY: Final = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in any folder."""
_SAME_PERSON: Final = 0.5
"""A given track and the detected one are one person's if they are nearer than this share of the torso, in the median."""
_VAL_SHARE, _VAL_GAP_S, _VAL_FROM_S = 0.1, 1.0, 20.0

Span = tuple[float, float]


def _digest(fields: Mapping[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# Detector, correction, plate and smoothing's figures change it by themselves. Raise `steps` with every other change after
# which the same video would give another subject: to the code of smoothing, body statistics, splits, the files of the folder.
_RECIPE: Final = {
    "detector": DETECTOR,
    "smoothing": asdict(SmoothConfig()),
    "correction": CORRECT_RECIPE,
    "plate": PLATE_RECIPE,
    "schema": SCHEMA,
    "steps": 3,
}
SUBJECT_RECIPE: Final[str] = _digest(_RECIPE)[:12]
"""Short digest of everything but the video that decides what `prepare` makes: subjects kept under another are stale."""


@dataclass(frozen=True)
class SubjectManifest:
    """What a subject folder says of itself. Every field is a plain JSON value but `body`.

    fps: a fraction as text, "30000/1001". licence: SPDX identifier of the footage or None. consent: who the person is and on
    what terms; nothing is trained without. splits_s: part -> (start, stop) in seconds; `val` is there only if it was asked
    for. files: name -> SHA-256; of the video, which may be large, the size in bytes is all that is compared.
    """

    name: str
    video: str
    video_bytes: int
    source_sha256: str
    detector: str
    width_px: int
    height_px: int
    fps: str
    num_frames: int
    splits_s: Mapping[str, Span]
    body: BodyStatistics
    warnings: tuple[str, ...]
    files: Mapping[str, str]
    licence: str | None = None
    consent: Consent | None = None
    dancenow_version: str = __version__
    schema: int = SCHEMA

    def in_split(self, part: str, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the times [T] belong to `part`: bool [T]; none for a part that does not exist."""
        start_s, stop_s = self.splits_s.get(part, (0.0, 0.0))
        return np.asarray((time_s >= start_s) & (time_s < stop_s), np.bool_)

    def to_json(self) -> str:
        """The manifest with a digest of its fields, so that damage and slips of the hand are noticed."""
        fields = asdict(self) | {"body": self.body.to_json()}
        return json.dumps(fields | {"digest": _digest(fields)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ValueError (or a kind of it), KeyError or TypeError if anything is off."""
        fields = json.loads(text)
        if fields["schema"] != SCHEMA:
            raise ValueError(f"schema {fields['schema']} instead of {SCHEMA}")
        if fields.pop("digest") != _digest(fields):
            raise ValueError("its fields do not match its digest")
        splits = {part: (float(a), float(b)) for part, (a, b) in fields.pop("splits_s").items()}
        body = BodyStatistics.from_json(fields.pop("body"))
        consent = fields.pop("consent")
        fields["consent"] = None if consent is None else Consent.from_json(consent)
        if fields["video"] != Path(fields["video"]).name:
            raise ValueError("its video is named by a path")
        return cls(**fields | {"splits_s": splits, "body": body, "warnings": tuple(fields["warnings"])})


@dataclass(frozen=True, eq=False)
class Subject:
    """An opened subject folder: small things in memory, pixels streamed from disk."""

    folder: Path
    manifest: SubjectManifest
    track: PoseTrack
    plate: Plate

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read and check a folder made by `prepare`.

        Raises:
            UserError: it is no subject folder, or something in it is missing, damaged or does not fit the rest.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder} is not a subject folder; make one with `dancenow prepare VIDEO -o {folder}`.")
        try:
            manifest = SubjectManifest.from_json((folder / MANIFEST).read_text("utf-8"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(folder, f"{MANIFEST}: {error}") from error
        for name in (manifest.video, *_CHECKED):
            if not (folder / name).is_file():
                raise _damaged(folder, f"{name} is missing")
        for name in _CHECKED:
            if sha256_of(folder / name) != manifest.files.get(name):
                raise _damaged(folder, f"{name} has changed")
        if (folder / manifest.video).stat().st_size != manifest.video_bytes:
            raise _damaged(folder, f"{manifest.video} has changed")
        track, plate = load_track(folder / "track.npz"), _load_plate(folder)
        size = (manifest.width_px, manifest.height_px)
        if len(track) != manifest.num_frames or (track.width_px, track.height_px) != size or plate.known.shape != size[::-1]:
            raise _damaged(folder, "track, plate and manifest do not fit together")
        info = probe(folder / manifest.video)
        if (info.width_px, info.height_px) != size:
            raise _damaged(folder, f"{manifest.video} is another video")
        return cls(folder, manifest, track, plate)

    @property
    def video(self) -> Path:
        """The copy of the footage."""
        return self.folder / self.manifest.video

    def read_frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """The footage, as `read_frames`."""
        return read_frames(self.video, start, stop, step)

    def read_masks(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """The person's soft masks, one per frame, uint8 [h,w] of the frame scaled down, 255 = person."""
        return read_masks(self.folder / "masks.mkv", start, stop)


@renamed_keywords(listen="on_progress")
def prepare(
    video: Path,
    out: Path,
    *,
    track: PoseTrack | None = None,
    person: int | None = None,
    licence: str | None = None,
    consent: Consent | None = None,
    hold_out: bool = False,
    on_progress: ProgressCallback = ignore_progress,
) -> Subject:
    """Detect the person, estimate the background, judge the footage, and write all of it as the subject folder `out`.

    Args:
        track: the person's poses in this very video, where they are known better than they would be detected (of a rendered
            clip, or corrected by hand). The masks are the detector's all the same, which has to find the same person.
        person: number of the person to follow, as in `detect_poses`.
        licence: SPDX identifier of the footage's licence, to be kept with it; by default that of the consent.
        consent: who is in the video and on what terms. It can be added later (`record_consent`), before training.
        hold_out: keep the last tenth from training and from the background, to be judged by.

    Raises:
        UserError: the video cannot be read, nobody can be followed in it long enough, the track is of another video or another
            person, or `out` is something else, holds files that are not the subject's, or is unwritable.
    """
    video, out = Path(video), Path(out)
    _require_replaceable(out)
    probe(video)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        masks = folder / "masks.mkv"
        detected = detect_poses(video, person=person, masks=masks, on_progress=on_progress)
        track = detected if track is None else _of_this_video(track, detected, video)
        require_enough(track, video)
        splits_s = split_by_time(float(track.time_s[-1] + 1 / track.fps), hold_out)
        learnt = (track.time_s >= splits_s["train"][0]) & (track.time_s < splits_s["train"][1])
        plate = estimate_plate(video, masks, learnt & (track.status == FrameStatus.MEASURED), on_progress=on_progress)
        warnings = examine(video, masks, track, body_statistics(track), on_progress=on_progress)
        manifest = _fill(folder, video, track, plate, video.stem, splits_s, warnings, licence, consent)
    return Subject(out, manifest, track, plate)


def compose(
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
    """A subject of which everything is known already, as of a rendered dancer: nothing is detected, estimated or judged.

    track: of this very video. masks: one for each of its frames. splits_s: part -> (start, stop) in seconds.

    Raises:
        UserError: `out` is something else, holds files that are not the subject's, or is unwritable.
    """
    _require_replaceable(out)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        shutil.copyfile(masks, folder / "masks.mkv")
        manifest = _fill(folder, video, track, plate, name, splits_s, (), consent.licence, consent)
    return Subject(out, manifest, track, plate)


def _fill(
    folder: Path,
    video: Path,
    track: PoseTrack,
    plate: Plate,
    name: str,
    splits_s: Mapping[str, Span],
    warnings: tuple[str, ...],
    licence: str | None,
    consent: Consent | None,
) -> SubjectManifest:
    """Put everything into the folder of a subject whose masks are there, the manifest last."""
    info = probe(video)
    save_track(folder / "track.npz", track)
    _save_plate(folder, plate)
    manifest = SubjectManifest(
        name=name,
        video=f"video{video.suffix.lower()}",
        video_bytes=video.stat().st_size,
        source_sha256=track.source_sha256,
        detector=track.detector,
        width_px=track.width_px,
        height_px=track.height_px,
        fps=str(info.fps),
        num_frames=len(track),
        splits_s=splits_s,
        body=body_statistics(track),
        warnings=warnings,
        files={each: sha256_of(folder / each) for each in _CHECKED},
        licence=licence or (consent.licence if consent else None),
        consent=consent,
    )
    shutil.copyfile(video, folder / manifest.video)
    (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    return manifest


def _of_this_video(track: PoseTrack, detected: PoseTrack, video: Path) -> PoseTrack:
    """The given track, once it is sure that it tells of this video and of the person whom the masks show."""
    size, true_size = (track.width_px, track.height_px), (detected.width_px, detected.height_px)
    if track.source_sha256 and track.source_sha256 != detected.source_sha256:
        raise InputError(f"the track was made from another video than {video}; make it again with `dancenow pose {video}`.")
    if len(track) != len(detected) or size != true_size:
        raise InputError(
            f"the track has {len(track)} frames of {size[0]}x{size[1]} px but {video} has {len(detected)} of"
            f" {true_size[0]}x{true_size[1]}; give the track of this video."
        )
    distance_px = pose_distance_px(track.pose, detected.pose)
    if not np.nanmedian(distance_px) < _SAME_PERSON * torso_px(detected):
        raise InputError(
            f"the track does not lie on the person who is found in {video}; choose another with --person, or give the track of"
            " this video."
        )
    return replace(track, source_sha256=detected.source_sha256)


def record_consent(folder: Path, consent: Consent) -> Subject:
    """Put a new record into a subject folder, in place of what was there; footage that was withdrawn may be used again.

    Raises:
        UserError: as `Subject.open`, or the folder cannot be written to.
    """
    subject = _with_consent(Subject.open(folder), consent)
    grant(consent, subject.manifest.source_sha256)
    return subject


def withdraw_consent(folder: Path) -> tuple[Subject, str]:
    """Withdraw the consent to a subject: it and the models trained from it are refused from now on. The day comes back, too.

    Raises:
        UserError: as `Subject.open`, or the list or the folder cannot be written to.
    """
    subject = Subject.open(folder)
    consent = subject.manifest.consent
    day = withdraw(subject.manifest.source_sha256)
    return (subject if consent is None else _with_consent(subject, replace(consent, withdrawn=day))), day


def _with_consent(subject: Subject, consent: Consent) -> Subject:
    manifest = replace(subject.manifest, consent=consent, licence=consent.licence or subject.manifest.licence)
    with complete_or_absent(subject.folder / MANIFEST) as temporary:
        temporary.write_text(manifest.to_json(), "utf-8")
    return replace(subject, manifest=manifest)


def _require_replaceable(out: Path) -> None:
    """UserError unless `out` is new, empty, or a subject folder with nothing else in it: what is there will be replaced."""
    require_writable(out, folder=True)
    if not out.is_dir():
        return
    names = {path.name for path in out.iterdir()} - set(_STRAY)
    if names and MANIFEST not in names:
        raise OutputError(f"{out} exists and is not a subject folder; give the name of a new folder.")
    try:
        video = str(json.loads((out / MANIFEST).read_text("utf-8"))["video"]) if names else ""
    except (OSError, ValueError, KeyError, TypeError):
        video = next((name for name in names if Path(name).stem == "video"), "")  # a damaged subject may be made again
    if foreign := sorted(names - {MANIFEST, *_CHECKED, video}):
        raise OutputError(f"{out} also holds {foreign[0]}, which would be lost; move it away or give the name of a new folder.")


def split_by_time(duration_s: float, hold_out: bool) -> dict[str, Span]:
    """All is for training; with `hold_out` the last tenth is for validation, a second apart, if there are 20 s or more."""
    if not hold_out or duration_s < _VAL_FROM_S:
        return {"train": (0.0, duration_s)}
    val_s = duration_s * (1 - _VAL_SHARE)
    return {"train": (0.0, val_s - _VAL_GAP_S), "val": (val_s, duration_s)}


def _damaged(folder: Path, what: str) -> UserError:
    return InputError(f"the subject folder {folder} is damaged ({what}); make it again with `dancenow prepare`.")


def _save_png(path: Path, image: NDArray[Any]) -> None:
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def _save_plate(folder: Path, plate: Plate) -> None:
    _save_png(folder / "plate.png", cv2.cvtColor(plate.image_rgb, cv2.COLOR_RGB2BGR))
    _save_png(folder / "known.png", plate.known.astype(np.uint8) * 255)


def _load_plate(folder: Path) -> Plate:
    image = cv2.imdecode(np.frombuffer((folder / "plate.png").read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    known = cv2.imdecode(np.frombuffer((folder / "known.png").read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or known is None or image.shape[:2] != known.shape:
        raise _damaged(folder, "the background cannot be read")
    return Plate(np.asarray(image, np.uint8), np.asarray(known) > 127)
