"""Faces at transfer time: when the body is painted, each frame's face is made by the model's face network and blended in.

A frame without a valid face is passed on untouched and costs nothing. Frames are streamed, one at a time.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dancenow.errors import ModelError
from dancenow.execution import Execution
from dancenow.face.align import normalize_expression
from dancenow.face.blending import WHOLE, Blender
from dancenow.face.dataset import resized
from dancenow.face.face_crop import crop_face
from dancenow.face.face_state import faces_of
from dancenow.face.face_track import YAW, FaceTrack
from dancenow.face.face_tracking import extract_faces, face_boxes
from dancenow.face.landmark_maps import draw_face
from dancenow.face.network import FaceNetwork, FaceNetworkConfig
from dancenow.media.source import VideoSource
from dancenow.prefetch import prefetch
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.types import ImageRGB, Pose, PoseTrack

Face = Literal["none", "residual", "cyclegan", "auto"]
"""none: faces as the body's generator paints them. residual: detail added to them. cyclegan: the source's face made the
target's. auto: what the model has."""
FACES: Final[tuple[Face, ...]] = ("none", "residual", "cyclegan", "auto")
FADE: Final = 4
"""Frames in which a made face comes and goes where it becomes valid or ceases to be: a face that jumps in is seen."""
FRONT_RAD, SIDE_RAD = np.radians(50), np.radians(75)
"""Up to the first turn of the head its face is shown whole, from the second on not at all: landmarks of a profile are guesses,
and what is put where they say stands beside the nose."""
KNOWN_RAD, STRANGE_RAD = np.radians(15), np.radians(35)
"""Up to the first angle between a turn of the head and the nearest of those in the footage its face is shown whole, from the
second on not at all: what was never seen from there gets cheeks and hair beside the head."""


@dataclass(frozen=True, eq=False)
class FaceModel:
    """The face network of a model. kind: residual or cyclegan; target: faces of the target's footage, some rows of them;
    source_sha256: of the video that a cyclegan was trained on, too."""

    kind: str
    network: FaceNetwork
    target: FaceTrack
    source_sha256: str | None

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: torch.device) -> Self | None:
        """That of a model; None if it has none.

        Raises:
            UserError: it was made by a version of dancenow whose networks were others.
        """
        said = checkpoint.info.config.get("face_network")
        if said is None:
            return None
        try:
            fields = dict(said)
            kind, source = fields.pop("kind"), fields.pop("source_sha256", None)
            network = FaceNetwork(FaceNetworkConfig(**fields))
            network.load_state_dict(checkpoint.part("face"))
            target = faces_of(checkpoint.part("faces"), checkpoint.info.subject, network.config.canvas_px)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            made = checkpoint.info.version
            raise ModelError(
                f"this model was made by dancenow {made}, whose face networks were others; train it again."
            ) from error
        return cls(kind, network.to(device).eval().requires_grad_(False), target, source)


def chosen(model: FaceModel | None, wanted: Face, path: Path, source_sha256: str) -> FaceModel | None:
    """The face network that `wanted` asks of a model; None for faces as the body paints them.

    Raises:
        UserError: the model has no such network.
    """
    if wanted == "none" or (wanted == "auto" and model is None):
        return None
    if wanted == "auto" and model is not None:
        foreign = model.source_sha256 is not None and model.source_sha256 != source_sha256
        return None if foreign else model
    if model is None or model.kind != wanted:
        has = "none" if model is None else f"one of the kind {model.kind}"
        how = " --face-source SOURCE" if wanted == "cyclegan" else ""
        raise ModelError(f"{path} has no {wanted} face network ({has}); train it with --face {wanted}{how}.")
    if model.source_sha256 is not None and model.source_sha256 != source_sha256:
        raise ModelError(f"the face network of {path} was trained on the face of another source; train it with --face-source.")
    return model


@dataclass(frozen=True, eq=False)
class Filmed:
    """A dancer's video, the faces in it, and its keypoints [T,K]."""

    video: VideoSource
    faces: FaceTrack
    pose: Pose


class FaceRefiner:
    """The faces of one dance.

    faces: of the dance, in the target's frame; pose: its keypoints [T,K]. source: what a cyclegan translates; a residual
    network needs none.
    """

    def __init__(self, model: FaceModel, faces: FaceTrack, pose: Pose, source: Filmed | None, execution: Execution) -> None:
        self.faces, self._pose, self._source, self._execution = faces, pose, source, execution
        self._dtype = torch.bfloat16 if execution.has_bfloat16 else torch.float32
        self._network: nn.Module = copy.deepcopy(model.network).to(self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth faster on a CPU
        yaw = faces.expression[:, YAW]
        self._strength = strengths(faces.valid) * frontality(yaw) * familiarity(yaw, model.target)

    @classmethod
    def of_dance(
        cls,
        model: FaceModel,
        source_track: PoseTrack,
        target_track: PoseTrack,
        video: VideoSource,
        execution: Execution,
        on_progress: ProgressCallback,
    ) -> Self:
        """For a dance that was danced in `video` by the poses `source_track`, and is to be shown by the poses `target_track`.

        Raises:
            UserError: the video cannot be read, or the networks that look at faces cannot be had.
        """
        size_px = model.network.config.canvas_px
        danced_faces = resized(extract_faces(video, source_track, on_progress=on_progress), size_px)
        boxes = face_boxes(target_track, size_px=size_px)
        faces = normalize_expression(danced_faces, model.target, boxes)
        source = Filmed(video, danced_faces, source_track.pose) if model.kind == "cyclegan" else None
        return cls(model, faces, target_track.pose, source, execution)

    def refine(self, images: Iterator[ImageRGB], start: int, stop: int) -> Iterator[ImageRGB]:
        """The frames [start, stop) of the dance with their faces, as they come; a frame that is not changed is passed on."""
        if self._source is None:
            # What is added fades out with the mask by itself: there is no rim to be mended.
            blender = Blender(self.faces, "feather", ramp=WHOLE)
            for t, image in enumerate(images, start=start):
                yield self._blended(blender, image, self._with_detail(image, t), t) if self.faces.valid[t] else image
            return
        blender = Blender(self.faces)
        with prefetch(self._filmed(self._source, start, stop)) as faces:
            for t, (image, face) in enumerate(zip(images, faces, strict=True), start=start):
                yield image if face is None else self._blended(blender, image, face, t)

    def notes(self, start: int, stop: int) -> Iterator[str]:
        """What the user should know about the faces of a part of the dance, one sentence each."""
        share = float(self.faces.valid[start:stop].mean())
        if share < 0.5:
            yield (
                f"The face is made by its own network in only {share:.0%} of the frames: in the others it is turned away,"
                " hidden or too small."
            )

    def _with_detail(self, image: ImageRGB, t: int) -> ImageRGB:
        """The painted face and what a residual network adds to it, uint8 [S,S,3]."""
        return self._made(crop_face(image, self.faces.crop(t)), draw_face(self.faces, t, self._pose[t]))

    def _filmed(self, source: Filmed, start: int, stop: int) -> Iterator[ImageRGB | None]:
        """The source's face of each frame made the target's, uint8 [S,S,3]; None where either is not to be seen."""
        for frame in source.video.frames(start, stop):
            t = frame.index
            if self.faces.valid[t] and source.faces.valid[t]:
                face = crop_face(frame.image_rgb, source.faces.crop(t))
                yield self._made(face, draw_face(source.faces, t, source.pose[t]))
            else:
                yield None

    def _blended(self, blender: Blender, image: ImageRGB, face: ImageRGB, t: int) -> ImageRGB:
        blended, strength = blender.blend(image, face, t, self._pose[t]), float(self._strength[t])
        return blended if strength == 1 else np.asarray(cv2.addWeighted(image, 1 - strength, blended, strength, 0), np.uint8)

    @torch.inference_mode()
    def _made(self, face_rgb: ImageRGB, maps: NDArray[np.float32]) -> ImageRGB:
        device = self._execution.torch_device
        with self._execution.limited_threads():
            face = torch.from_numpy(face_rgb).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
            shown = torch.from_numpy(maps).to(device)[None]
            both = (x.to(self._dtype, memory_format=torch.channels_last) for x in (face, shown))
            added = self._network(*both)[0].float() * 127.5
            made = np.rint(face_rgb + added.permute(1, 2, 0).cpu().numpy())
        return np.asarray(made.clip(0, 255), np.uint8)


def frontality(yaw: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of the made face is shown at each turn of the head [T], rad, in [0,1]."""
    return np.asarray(np.clip((SIDE_RAD - np.abs(yaw)) / (SIDE_RAD - FRONT_RAD), 0, 1), np.float32)


def familiarity(yaw: NDArray[np.float32], target: FaceTrack) -> NDArray[np.float32]:
    """How much of the made face is shown at each turn of the head [T], rad, for what the footage shows of it, in [0,1]."""
    seen = target.expression[target.valid, YAW]
    if not len(seen):  # nothing is known of them, so nothing can be said
        return np.ones(len(yaw), np.float32)
    off = np.abs(yaw[:, None] - seen[None]).min(axis=1)
    return np.asarray(np.clip((STRANGE_RAD - off) / (STRANGE_RAD - KNOWN_RAD), 0, 1), np.float32)


def strengths(valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of the made face is shown in each frame [T], in (0,1] where valid: it comes and goes over `FADE` frames."""
    gaps = np.flatnonzero(~valid)
    if not len(gaps):
        return np.ones(len(valid), np.float32)
    frames = np.arange(len(valid))
    after = np.searchsorted(gaps, frames)
    left = np.where(after > 0, frames - gaps[np.clip(after - 1, 0, None)], FADE)  # before the first gap there is none
    right = np.where(after < len(gaps), gaps[np.clip(after, None, len(gaps) - 1)] - frames, FADE)
    return np.asarray(np.minimum(np.minimum(left, right) / FADE, 1.0), np.float32)
