"""The manifest of a subject folder: what is in the folder, where it comes from, and on what terms it may be used."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow import __version__
from dancenow.pose.body_statistics import BodyStatistics
from dancenow.provenance.consent import Consent
from dancenow.subject.camera.footage_camera import CAMERA_FILES
from dancenow.subject.exposure import EXPOSURE_FILE
from dancenow.subject.overlays import OVERLAY_FILES

SCHEMA: Final = 1
MANIFEST: Final = "manifest.json"
CHECKED_FILES: Final = ("track.npz", "plate.png", "known.png", "masks.mkv")
"""Files of a subject folder whose SHA-256 the manifest records."""
OPTIONAL_FILES: Final = (*OVERLAY_FILES, *CAMERA_FILES, EXPOSURE_FILE)
"""Files that not every subject folder has; their SHA-256 is recorded where they are."""

Span = tuple[float, float]


def json_digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 of the fields as canonical JSON, in hexadecimal."""
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class SubjectManifest:
    """Description of a subject folder. Every field except `body` is a plain JSON value.

    fps: a fraction as text, "30000/1001". licence: SPDX identifier of the footage or None. consent: who the person is and the
    terms of use; training requires it. splits_s: split -> (start, stop) in seconds; `val` exists only if it was requested.
    files: name -> SHA-256. The video may be large, so only its size in bytes is compared.
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

    def in_split(self, split: str, time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Select the times [T] that belong to `split`: bool [T], all false for a split that does not exist."""
        start_s, stop_s = self.splits_s.get(split, (0.0, 0.0))
        return np.asarray((time_s >= start_s) & (time_s < stop_s), np.bool_)

    def to_json(self) -> str:
        """Serialize with a digest of the fields, which reveals damage and manual edits."""
        fields = asdict(self) | {"body": self.body.to_json()}
        return json.dumps(fields | {"digest": json_digest(fields)}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the output of `to_json`.

        Raises:
            ValueError, KeyError, TypeError: the text is not a valid manifest.
        """
        fields = json.loads(text)
        if fields["schema"] != SCHEMA:
            raise ValueError(f"schema {fields['schema']} instead of {SCHEMA}")
        if fields.pop("digest") != json_digest(fields):
            raise ValueError("its fields do not match its digest")
        splits = {split: (float(start), float(stop)) for split, (start, stop) in fields.pop("splits_s").items()}
        body = BodyStatistics.from_json(fields.pop("body"))
        consent = fields.pop("consent")
        fields["consent"] = None if consent is None else Consent.from_json(consent)
        if fields["video"] != Path(fields["video"]).name:
            raise ValueError("its video is a path instead of a file name")
        return cls(**fields | {"splits_s": splits, "body": body, "warnings": tuple(fields["warnings"])})
