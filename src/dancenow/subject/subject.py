"""A subject: one person's footage with poses, masks and background plate, ready for training, in a self-checking folder.

The folder holds `manifest.json`, a copy of the video, `track.npz`, `masks.mkv`, `plate.png` and `known.png`; for a video with
bars or logos also `overlay.png` and `overlay_mask.png`, for one whose camera moves `camera.npz` and `mosaic.png`, and where the
exposure changes `exposure.npz`. `prepare` writes it completely or not at all, and `Subject.open` checks every file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from dancenow.errors import InputError
from dancenow.media.source import VideoSource, read_masks
from dancenow.pose.track_io import load_track
from dancenow.provenance.consent import Consent, grant, withdraw
from dancenow.storage.atomic_io import complete_or_absent, sha256_of
from dancenow.subject.background.mosaic import Mosaic
from dancenow.subject.camera.footage_camera import CAMERA_FILES, FootageCamera, load_camera
from dancenow.subject.camera.homography import transform
from dancenow.subject.exposure import EXPOSURE_FILE, Exposure
from dancenow.subject.manifest import CHECKED_FILES, MANIFEST, OPTIONAL_FILES, SubjectManifest
from dancenow.subject.overlays import OVERLAY_FILES, Overlays, load_overlays
from dancenow.subject.shown_scene import map_shown_scene
from dancenow.types import Frame, ImageRGB, Plate, PoseTrack


@dataclass(frozen=True, eq=False)
class Subject:
    """An opened subject folder: manifest, track and plate in memory, frames and masks streamed from disk.

    track: in px of the footage's frames. plate: in the reference view, where the camera moves. overlays: bars and logos of the
    footage, if it has any. camera: None for a camera that stands still.
    """

    folder: Path
    manifest: SubjectManifest
    track: PoseTrack
    plate: Plate
    overlays: Overlays | None = None
    camera: FootageCamera | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read and check a folder written by `prepare`.

        Raises:
            UserError: the folder is not a subject folder, or a file in it is missing, damaged or inconsistent.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            raise InputError(f"{folder} is not a subject folder; create one with `dancenow prepare VIDEO -o {folder}`.")
        try:
            manifest = SubjectManifest.from_json((folder / MANIFEST).read_text("utf-8"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(folder, f"{MANIFEST}: {error}") from error
        checked = (*CHECKED_FILES, *(name for name in OPTIONAL_FILES if name in manifest.files))
        for name in (manifest.video, *checked):
            if not (folder / name).is_file():
                raise _damaged(folder, f"{name} is missing")
        for name in checked:
            if sha256_of(folder / name) != manifest.files.get(name):
                raise _damaged(folder, f"{name} has changed")
        if (folder / manifest.video).stat().st_size != manifest.video_bytes:
            raise _damaged(folder, f"{manifest.video} has changed")
        track, plate = load_track(folder / "track.npz"), _load_plate(folder)
        size = (manifest.width_px, manifest.height_px)
        if len(track) != manifest.num_frames or (track.width_px, track.height_px) != size or plate.known.shape != size[::-1]:
            raise _damaged(folder, "track, plate and manifest do not match")
        overlays = load_overlays(folder) if set(OVERLAY_FILES) <= set(checked) else None
        if overlays is not None and overlays.mask.shape != size[::-1]:
            raise _damaged(folder, "overlays and manifest do not match")
        camera = _load_camera(folder) if set(CAMERA_FILES) <= set(checked) else None
        if camera is not None and len(camera.trajectory) != len(track):
            raise _damaged(folder, "camera and track do not match")
        subject = cls(folder, manifest, track, plate, overlays, camera)
        if (subject.source.info.width_px, subject.source.info.height_px) != size:
            raise _damaged(folder, f"{manifest.video} is another video")
        return subject

    @cached_property
    def world_track(self) -> PoseTrack:
        """The track in the reference view, where the ground stands still whatever the camera does."""
        return self.track if self.camera is None else self.camera.trajectory.to_world(self.track)

    @property
    def frame_bottom_px(self) -> float | NDArray[np.float64]:
        """The lower edge of the frames in the reference view, below the middle of each; float64 [T] where the camera moves."""
        if self.camera is None:
            return float(self.track.height_px)
        middle = np.array([[self.track.width_px / 2, self.track.height_px]])
        return np.array([transform(each, middle)[0, 1] for each in self.camera.trajectory.to_reference])

    @property
    def mosaic(self) -> Mosaic:
        """All of the background that was filmed; the plate where the camera stands still."""
        return Mosaic.of_plate(self.plate) if self.camera is None else self.camera.mosaic

    @property
    def video(self) -> Path:
        """Path of the copy of the footage."""
        return self.folder / self.manifest.video

    @property
    def shown_scene(self) -> NDArray[np.uint8] | None:
        """Where all frames show the scene, see `map_shown_scene`."""
        overlay = None if self.overlays is None else self.overlays.mask
        return map_shown_scene(self.manifest.width_px, self.manifest.height_px, overlay, moves=self.camera is not None)

    @cached_property
    def source(self) -> VideoSource:
        """The copy of the footage, opened once."""
        return VideoSource.open(self.video)

    @cached_property
    def exposure(self) -> Exposure:
        """The exposure of every frame relative to that of the plate, constant unless the folder says otherwise.

        Raises:
            UserError: its file is damaged.
        """
        if EXPOSURE_FILE not in self.manifest.files:
            return Exposure.constant(len(self.track))
        try:
            exposure = Exposure.load(self.folder / EXPOSURE_FILE)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(self.folder, f"{EXPOSURE_FILE}: {error}") from error
        if len(exposure) != len(self.track):
            raise _damaged(self.folder, "track and exposure do not match")
        return exposure

    def read_frames(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Frame]:
        """Stream the footage, as `VideoSource.frames`."""
        return self.source.frames(start, stop, step)

    def in_reference_view(self, frame: Frame) -> ImageRGB:
        """The image of a frame as the reference view shows it; beyond what the frame shows lies the background plate."""
        if self.camera is None:
            return frame.image_rgb
        matrix, size = self.camera.trajectory.to_reference[frame.index], (self.manifest.width_px, self.manifest.height_px)
        image = self.plate.image_rgb.copy()
        cv2.warpPerspective(frame.image_rgb, matrix, size, dst=image, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT)
        return image

    def read_masks(self, start: int = 0, stop: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Stream the person's soft masks, one per frame: uint8 [h,w], at most the frame's size, 255 = person."""
        return read_masks(self.folder / "masks.mkv", start, stop)


def open_subject(subject: Path | Subject) -> Subject:
    """The opened subject of a folder; a subject that is open already is returned unchanged. Raises as `Subject.open`."""
    return subject if isinstance(subject, Subject) else Subject.open(subject)


def record_consent(folder: Path, consent: Consent) -> Subject:
    """Replace the consent record of a subject folder; withdrawn footage may be used again.

    Raises:
        UserError: as `Subject.open`, or the folder cannot be written to.
    """
    subject = _with_consent(Subject.open(folder), consent)
    grant(consent, subject.manifest.source_sha256)
    return subject


def withdraw_consent(folder: Path) -> tuple[Subject, str]:
    """Withdraw the consent to a subject, so that it and models trained from it are refused; return the subject and the date.

    Raises:
        UserError: as `Subject.open`, or the list or the folder cannot be written to.
    """
    subject = Subject.open(folder)
    consent = subject.manifest.consent
    date = withdraw(subject.manifest.source_sha256)
    return (subject if consent is None else _with_consent(subject, replace(consent, withdrawn=date))), date


def _with_consent(subject: Subject, consent: Consent) -> Subject:
    manifest = replace(subject.manifest, consent=consent, licence=consent.licence or subject.manifest.licence)
    with complete_or_absent(subject.folder / MANIFEST) as temporary:
        temporary.write_text(manifest.to_json(), "utf-8")
    return replace(subject, manifest=manifest)


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(f"the subject folder {folder} is damaged ({what}); create it again with `dancenow prepare`.")


def _save_png(path: Path, image: NDArray[Any]) -> None:
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def save_plate(folder: Path, plate: Plate) -> None:
    """Write `plate.png` and `known.png`."""
    _save_png(folder / "plate.png", cv2.cvtColor(plate.image_rgb, cv2.COLOR_RGB2BGR))
    _save_png(folder / "known.png", plate.known.astype(np.uint8) * 255)


def _load_camera(folder: Path) -> FootageCamera:
    try:
        return load_camera(folder)
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise _damaged(folder, f"{CAMERA_FILES[0]}: {error}") from error


def _load_plate(folder: Path) -> Plate:
    image = cv2.imdecode(np.frombuffer((folder / "plate.png").read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
    known = cv2.imdecode(np.frombuffer((folder / "known.png").read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or known is None or image.shape[:2] != known.shape:
        raise _damaged(folder, "the background plate cannot be read")
    return Plate(np.asarray(image, np.uint8), np.asarray(known) > 127)
