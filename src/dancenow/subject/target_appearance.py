"""What a model stores of the target person, so that a transfer needs the model alone: background plate, overlays, pose track.

The track is that of the training footage: retargeting measures the body on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.errors import ModelError
from dancenow.storage.checkpoint import Checkpoint, CheckpointInfo
from dancenow.subject.background.base import Background, StillPlate
from dancenow.subject.background.mosaic import MovingBackground
from dancenow.subject.camera.footage_camera import FootageCamera
from dancenow.subject.camera.replay import ReplayedCamera
from dancenow.subject.subject import Subject
from dancenow.subject.target_view import CameraMode, StillForeground, TargetView
from dancenow.types import Plate, Pose, PoseTrack


@dataclass(frozen=True, eq=False)
class Target:
    """The target person: name, background plate, track, and the hash of the consent, without which no transfer is allowed.

    track: in the reference view of the footage's camera. overlay: uint8 [H,W,4], the bars and logos of the footage, which stay
    in front of everything; None if it has none. camera: None for a camera that stands still.
    """

    name: str
    plate: Plate
    track: PoseTrack
    consent_sha256: str | None = None
    overlay: NDArray[np.uint8] | None = None
    camera: FootageCamera | None = None

    @classmethod
    def of_subject(cls, subject: Subject) -> Self:
        """From a prepared subject folder."""
        consent = subject.manifest.consent
        overlay = None if subject.overlays is None else subject.overlays.rgba
        return cls(
            subject.manifest.name, subject.plate, subject.world_track, consent.sha256 if consent else None, overlay,
            subject.camera,
        )  # fmt: skip

    @property
    def background(self) -> Background:
        """The person's own background."""
        return StillPlate(self.plate)

    def view(self, mode: CameraMode) -> TargetView:
        """The person's own background as seen from one place, or by the footage's camera, if that moves."""
        front = None if self.overlay is None else StillForeground(self.overlay)
        if self.camera is None or mode == "still":
            return TargetView(self.background, front=front)
        camera = ReplayedCamera(self.camera.trajectory, self.track.time_s)
        return TargetView(MovingBackground(self.camera.mosaic, camera), camera, front)

    def to_checkpoint(self, kind: str) -> Checkpoint:
        """A checkpoint of that kind with everything but the generator and its configuration."""
        track = self.track
        tensors = {
            "plate.image_rgb": torch.from_numpy(self.plate.image_rgb),
            "plate.known": torch.from_numpy(self.plate.known),
            "track.xy": torch.from_numpy(track.pose.xy),
            "track.confidence": torch.from_numpy(track.pose.confidence),
            "track.depth": torch.from_numpy(track.pose.depth),
            "track.time_s": torch.from_numpy(track.time_s),
            "track.status": torch.from_numpy(track.status),
            **({"track.cuts": torch.tensor(track.cuts, dtype=torch.int64)} if track.cuts else {}),
        }
        if self.overlay is not None:
            tensors["overlay.rgba"] = torch.from_numpy(self.overlay)
        if self.camera is not None:
            tensors |= {f"camera.{name}": torch.tensor(array) for name, array in self.camera.to_arrays().items()}
        subject = {
            "name": self.name,
            "width_px": track.width_px,
            "height_px": track.height_px,
            "detector": track.detector,
            "source_sha256": track.source_sha256,
            "consent_sha256": self.consent_sha256,
        }
        info = CheckpointInfo(kind=kind, config={}, subject=subject, parents=(track.source_sha256,))
        return Checkpoint(info, tensors)

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Self:
        """The inverse of `to_checkpoint`.

        Raises:
            UserError: the checkpoint lacks a part of it.
        """
        try:
            subject, part = checkpoint.info.subject, _Numpy(checkpoint.part("track"))
            plate, stored = _Numpy(checkpoint.part("plate")), checkpoint.part("camera")
            camera = FootageCamera.of_arrays({name: _Numpy(stored)[name] for name in stored}) if stored else None
            track = PoseTrack(
                pose=Pose(part["xy"], part["confidence"], part["depth"]),
                time_s=part["time_s"],
                status=part["status"],
                width_px=subject["width_px"],
                height_px=subject["height_px"],
                detector=subject["detector"],
                source_sha256=subject["source_sha256"],
                aim_px=None if camera is None else camera.trajectory.aim_px,
                cuts=tuple(checkpoint.tensors["track.cuts"].tolist()) if "track.cuts" in checkpoint.tensors else (),
            )
            overlay = _Numpy(checkpoint.tensors)["overlay.rgba"] if "overlay.rgba" in checkpoint.tensors else None
            still = Plate(plate["image_rgb"], plate["known"])
            return cls(subject["name"], still, track, subject.get("consent_sha256"), overlay, camera)
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(f"this model lacks the data of its target ({error}); train it again.") from error


class _Numpy:
    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Any:
        return np.ascontiguousarray(self._tensors[name].cpu().numpy())
