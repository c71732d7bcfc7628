"""One person of a rendered dataset as a subject for `train`: the clips concatenated and split by a protocol.

The parts follow each other in the footage, train first, so that each is one time span of the subject manifest. The first frame
after a seam is marked as missing, so that no motion is learned across it.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError, UserError
from dancenow.media.sink import MaskWriter, VideoWriter
from dancenow.media.source import read_frames, read_masks
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.provenance.consent import Consent
from dancenow.research.dataset.index import INDEX, Entry, digest_of
from dancenow.research.dataset.protocol import PARTS
from dancenow.research.dataset.shards import SHARDS_INDEX
from dancenow.research.dataset.source import FolderSource, ShardSource, load_entry_track, open_source
from dancenow.storage.atomic_io import sha256_of
from dancenow.storage.cache import cache_entry, cache_key
from dancenow.subject.manifest import Span
from dancenow.subject.prepare import write_subject
from dancenow.subject.subject import Subject
from dancenow.types import FrameStatus, Plate, Pose, PoseTrack

PersonProtocol = Literal["time", "dance"]
CONSENT_DATE: Final = "2026-01-01"
"""Constant date of the consent record of a rendered person, so that records are reproducible."""
CRF: Final = 10
"""The clips are encoded a second time, with no visible loss."""


@dataclass(frozen=True)
class Piece:
    """Consecutive frames start to stop - 1 of a clip that belong to a part."""

    part: str
    entry: Entry
    start: int
    stop: int


def person_subject(
    source: FolderSource | ShardSource,
    identity: str,
    out: Path,
    *,
    protocol: PersonProtocol = "time",
    on_progress: ProgressCallback = ignore_progress,
) -> Subject:
    """Write the clips of a person as a subject folder with exact poses, masks and background, and the consent `rendered`.

    Args:
        protocol: `time` splits every clip; `dance` trains on the clips of the train dances and tests on others.

    Raises:
        UserError: the dataset is not rendered or damaged, has no such person or nothing to train on, or `out` has other
        content.
    """
    if source.dataset.kind != "rendered":
        raise InputError(
            f"the dataset holds filmed subjects: unpack {identity} with `dancenow dataset open ... --clips {identity}`."
        )
    pieces = person_pieces(source.dataset.of(identity), protocol)
    if not any(piece.part == "train" for piece in pieces):
        raise InputError(f"{identity} has nothing to train on under the protocol {protocol}; use the other protocol.")
    with tempfile.TemporaryDirectory() as scratch:
        video, masks = Path(scratch) / "video.mp4", Path(scratch) / "masks.mkv"
        _concatenate_videos(source, pieces, video, masks, on_progress)
        track = concatenate_tracks(source, pieces, sha256_of(video))
        return write_subject(
            out, name=identity, video=video, track=track, masks=masks, plate=_read_plate(source, pieces[0].entry),
            splits_s=_part_spans(pieces, track.fps), consent=rendered_consent(source, identity),
        )  # fmt: skip


def cached_subject(
    path: Path, identity: str, protocol: PersonProtocol = "time", on_progress: ProgressCallback = ignore_progress
) -> Path:
    """Return the subject folder of a person of a dataset or of shards, from the cache if it is valid.

    Raises:
        UserError: as `person_subject`.
    """
    source = open_source(path)
    clips = [entry.to_json() for entry in source.dataset.of(identity)]
    key = cache_key("subjects", parameters={"clips": clips, "protocol": protocol}, modules=[__name__])
    entry = cache_entry("subjects", key, f"{identity}-{protocol}")
    with entry.in_use():
        try:
            Subject.open(entry.path())
        except UserError:
            person_subject(source, identity, entry.path(), protocol=protocol, on_progress=on_progress)
    return entry.path()


def training_subject(
    path: Path, identity: str | None, protocol: PersonProtocol, on_progress: ProgressCallback = ignore_progress
) -> Path:
    """Return the subject folder to train from: `path` itself, or that of one identity of the dataset or shards at `path`.

    Raises:
        UserError: a dataset is given without an identity, or as `cached_subject`.
    """
    if identity is not None:
        return cached_subject(path, identity, protocol, on_progress)
    require_no_dataset(path)
    return path


def require_no_dataset(path: Path) -> None:
    """Raise UserError if a dataset is given where a subject is needed."""
    if (path / INDEX).is_file() or (path / SHARDS_INDEX).is_file():
        people = open_source(path).dataset.identities
        raise InputError(f"{path} is a dataset of {len(people)} people; choose one with --identity, such as {people[0]}.")


def person_pieces(entries: list[Entry], protocol: PersonProtocol) -> list[Piece]:
    """Return the frames of a person in order of concatenation: train, val, test."""
    pieces = []
    for part in PARTS:
        for entry in entries:
            if protocol == "dance":
                if entry.part("dance") == part:
                    pieces.append(Piece(part, entry, 0, entry.num_frames))
            elif part in entry.info["spans_s"]:
                fps = Fraction(entry.info["fps"])
                start, stop = (round(float(second) * fps) for second in entry.info["spans_s"][part])
                pieces.append(Piece(part, entry, start, min(stop, entry.num_frames)))
    return [piece for piece in pieces if piece.stop - piece.start > 1]


def rendered_consent(source: FolderSource | ShardSource, identity: str) -> Consent:
    """Return the consent record of a rendered person, which is the same for the same dataset."""
    about = source.dataset.about
    number = digest_of({"config": about.get("config"), "identity": identity})[:16]
    scope = str(dict(about.get("consent") or {}).get("scope", "nobody real is in the video"))
    return Consent("rendered", f"nobody real: {identity}", scope, CONSENT_DATE, str(about["licence"]), number=number)


def concatenate_tracks(source: FolderSource | ShardSource, pieces: list[Piece], video_sha256: str) -> PoseTrack:
    """Concatenate the tracks of the pieces; the first frame of each piece but the first is marked as missing."""
    tracks = {
        entry.key: load_entry_track(source, entry) for entry in {piece.entry.key: piece.entry for piece in pieces}.values()
    }
    parts = [tracks[piece.entry.key].pose[piece.start : piece.stop] for piece in pieces]
    xy, confidence, depth = (np.concatenate([getattr(part, name) for part in parts]) for name in ("xy", "confidence", "depth"))
    seams = np.cumsum([len(part) for part in parts])[:-1]
    status = np.full(len(xy), FrameStatus.MEASURED, np.uint8)
    status[seams] = FrameStatus.MISSING
    confidence[seams] = 0.0
    first = tracks[pieces[0].entry.key]
    fps = Fraction(pieces[0].entry.info["fps"])
    time_s = np.array([float(Fraction(t) / fps) for t in range(len(xy))])
    pose = Pose(xy, confidence, depth)
    return replace(first, pose=pose, time_s=time_s, status=status, source_sha256=video_sha256)


def _concatenate_videos(
    source: FolderSource | ShardSource, pieces: list[Piece], video: Path, masks: Path, on_progress: ProgressCallback
) -> None:
    """Write images and masks of the pieces, one frame at a time."""
    info = pieces[0].entry.info
    size, fps = (int(info["width_px"]), int(info["height_px"])), Fraction(info["fps"])
    total = sum(piece.stop - piece.start for piece in pieces)
    with VideoWriter(video, *size, fps=fps, crf=CRF, repeatable=True) as writer, MaskWriter(masks, *size) as mask_writer:
        done = 0
        for image, mask in (pair for piece in pieces for pair in _read_piece(source, piece)):
            writer.write(image, Fraction(done) / fps)
            mask_writer.write(mask)
            done += 1
            on_progress(Progress("joining clips", done, total))
    if done != total:
        raise InputError(
            f"a clip of {pieces[0].entry.identity} is too short; check the dataset with `dancenow dataset validate`."
        )


def _read_piece(source: FolderSource | ShardSource, piece: Piece) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    with source.files(piece.entry, "mp4", "masks.mkv") as files:
        span = piece.start, piece.stop
        for frame, mask in zip(read_frames(files["mp4"], *span), read_masks(files["masks.mkv"], *span), strict=False):
            yield frame.image_rgb, mask


def _read_plate(source: FolderSource | ShardSource, entry: Entry) -> Plate:
    """Return the room without the dancer, completely known."""
    with source.files(entry, "background.png") as files:
        image = cv2.imdecode(np.frombuffer(files["background.png"].read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise InputError(f"the background of {entry.key} cannot be read; check the dataset with `dancenow dataset validate`.")
    return Plate(np.asarray(image, np.uint8), np.ones(image.shape[:2], np.bool_))


def _part_spans(pieces: list[Piece], fps: float) -> dict[str, Span]:
    """Return part -> time span in seconds; borders lie halfway between two frames, safe against rounding."""
    spans: dict[str, Span] = {}
    frame, border_s = 0, 0.0
    for piece in pieces:
        start_s = spans[piece.part][0] if piece.part in spans else border_s
        frame += piece.stop - piece.start
        border_s = round((frame - 0.5) / fps, 6)
        spans[piece.part] = (start_s, border_s)
    return spans
