"""Faces at transfer time: after the body is rendered, the model's face network refines each frame's face, which is blended in.

A frame without a valid face passes unchanged and costs nothing. Frames are streamed, one at a time.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import torch
from torch import nn

from dancenow.errors import ModelError
from dancenow.execution import Execution
from dancenow.face.align import normalize_expression
from dancenow.face.blending import WIDE_RAMP, Blender
from dancenow.face.dataset import resize_canvas
from dancenow.face.face_crop import crop_face
from dancenow.face.face_state import faces_from_tensors
from dancenow.face.face_track import FaceTrack
from dancenow.face.face_tracking import extract_faces, face_boxes
from dancenow.face.head_mask import covered_by_person, fade_detail, head_outline
from dancenow.face.landmark_maps import draw_face_maps
from dancenow.face.network import FaceNetwork, FaceNetworkConfig
from dancenow.face.refinement_weights import coverage_weights, fade_over_time, source_weights
from dancenow.media.alpha import change_color
from dancenow.media.source import VideoSource
from dancenow.prefetch import prefetch
from dancenow.progress import ProgressCallback
from dancenow.storage.checkpoint import Checkpoint
from dancenow.subject.background.base import Background
from dancenow.subject.target_view import TargetView
from dancenow.types import FloatArray, ImageRGB, Pose, PoseTrack

FaceMode = Literal["none", "residual", "cyclegan", "auto"]
"""none: faces as the body generator renders them. residual: adds detail to them. cyclegan: translates the source's face to the
target's. auto: what the model has.
"""
FACE_CHOICES: Final[tuple[FaceMode, ...]] = ("none", "residual", "cyclegan", "auto")


@dataclass(frozen=True, eq=False)
class FaceModel:
    """The face network of a model. kind: residual or cyclegan. target: some of the faces of the target's footage.
    source_sha256: digest of the source video of a cyclegan, or None.
    """

    kind: str
    network: FaceNetwork
    target: FaceTrack
    source_sha256: str | None

    @classmethod
    def load(cls, checkpoint: Checkpoint, device: torch.device) -> Self | None:
        """Load it from a model's checkpoint; None if it has none.

        Raises:
            UserError: it was trained by a version of dancenow with other face networks.
        """
        header = checkpoint.info.config.get("face_network")
        if header is None:
            return None
        try:
            fields = dict(header)
            kind, source = fields.pop("kind"), fields.pop("source_sha256", None)
            network = FaceNetwork(FaceNetworkConfig(**fields))
            network.load_state_dict(checkpoint.part("face"))
            target = faces_from_tensors(checkpoint.part("faces"), checkpoint.info.subject, network.config.canvas_px)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            version = checkpoint.info.version
            raise ModelError(
                f"this model was made by dancenow {version}, which had other face networks; train it again."
            ) from error
        return cls(kind, network.to(device).eval().requires_grad_(False), target, source)


def select_face_model(model: FaceModel | None, requested: FaceMode, path: Path, source_sha256: str) -> FaceModel | None:
    """Select the face network for a mode; None for faces as the body generator renders them.

    Raises:
        UserError: the model has no such network.
    """
    if requested == "none" or (requested == "auto" and model is None):
        return None
    if requested == "auto" and model is not None:
        other_source = model.source_sha256 is not None and model.source_sha256 != source_sha256
        return None if other_source else model
    if model is None or model.kind != requested:
        has = "none" if model is None else f"one of the kind {model.kind}"
        how = " --face-source SOURCE" if requested == "cyclegan" else ""
        raise ModelError(f"{path} has no {requested} face network ({has}); train it with --face {requested}{how}.")
    if model.source_sha256 is not None and model.source_sha256 != source_sha256:
        raise ModelError(f"the face network of {path} was trained on the face of another source; train it with --face-source.")
    return model


@dataclass(frozen=True, eq=False)
class SourceFaces:
    """The source video, the faces in it, and its keypoints [T,K]."""

    video: VideoSource
    faces: FaceTrack
    pose: Pose


class FaceRefiner:
    """Refines the faces of one transfer.

    faces: faces of the retargeted poses, in the target's frame. pose: these poses [T,K]. source: the faces that a cyclegan
    translates, and that show where a face is visible; None where no source is known. background: what is behind the person, and
    stays as it is; None where it is not known. weights: float32 [T] in [0,1], how strongly each frame's face is refined.
    """

    def __init__(
        self,
        model: FaceModel,
        faces: FaceTrack,
        pose: Pose,
        source: SourceFaces | None,
        background: Background | None,
        execution: Execution,
    ) -> None:
        self._background = background
        self.faces, self._pose, self._execution = faces, pose, execution
        self._dtype = torch.bfloat16 if execution.has_bfloat16 else torch.float32
        self._network: nn.Module = copy.deepcopy(model.network).to(self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 20% faster on a CPU
        self._translates = model.kind == "cyclegan"
        self._source = source if self._translates else None  # of a long video as large as the faces of the result
        self.weights = _weights(model.target, faces, None if source is None else source.faces)

    @classmethod
    def from_tracks(
        cls,
        model: FaceModel | None,
        source_track: PoseTrack,
        target_track: PoseTrack,
        video: VideoSource,
        view: TargetView,
        execution: Execution,
        on_progress: ProgressCallback,
    ) -> Self | None:
        """Prepare the transfer of the poses `source_track`, detected in `video` and retargeted to `target_track` in a
        view of the target.

        Returns None without a face model: there is nothing to refine.

        Raises:
            UserError: the video cannot be read, or the face detector's weights are not available.
        """
        if model is None:
            return None
        size_px = model.network.config.canvas_px
        source_faces = resize_canvas(extract_faces(video, source_track, on_progress=on_progress), size_px)
        boxes = face_boxes(target_track, size_px=size_px)
        faces = normalize_expression(source_faces, model.target, boxes)
        source = SourceFaces(video, source_faces, source_track.pose)
        return cls(model, faces, target_track.pose, source, view.background, execution)

    def refine(self, images: Iterator[ImageRGB], start: int, stop: int) -> Iterator[ImageRGB]:
        """Refine the faces of frames [start, stop) as they come, with or without alpha; an unchanged frame is passed on."""
        with self.frame_by_frame(start, stop) as refined:
            for t, image in enumerate(images, start=start):
                yield refined(image, t)

    @contextmanager
    def frame_by_frame(self, start: int, stop: int) -> Iterator[Callable[[ImageRGB, int], ImageRGB]]:
        """Inside the `with`, a function that refines the face in a frame, given with its number; frames come in order."""
        if not self._translates:
            # A residual fades out with the mask: there is no rim to match.
            blender = Blender(self.faces, "feather", ramp=WIDE_RAMP)
            yield lambda image, t: self._with_residual(blender, image, t)
            return
        assert self._source is not None
        blender = Blender(self.faces)
        with prefetch(self._translated_faces(self._source, start, stop)) as faces:

            def translated(image: ImageRGB, t: int) -> ImageRGB:
                face = next(face for number, face in faces if number == t)
                return image if face is None else self._blend(blender, image, face, t)

            yield translated

    def notes(self, start: int, stop: int) -> Iterator[str]:
        """What the user should know about the faces of these frames, one sentence each."""
        fraction = float((self.weights[start:stop] > 0).mean())
        if fraction < 0.5:
            yield (
                f"The face network refines only {fraction:.0%} of the frames: in the others the face is turned away, hidden,"
                " too small, or in a view that the footage does not show."
            )

    def _with_residual(self, blender: Blender, image: ImageRGB, t: int) -> ImageRGB:
        """The frame with the residual added to the rendered face."""
        if self.weights[t] <= 0:
            return image
        face = crop_face(image, self.faces.crop(t))[..., :3]
        residual = self._residual(face, draw_face_maps(self.faces, t, self._pose[t]))
        return self._blend(blender, image, _to_image(face + fade_detail(residual)), t)

    def _translated_faces(self, source: SourceFaces, start: int, stop: int) -> Iterator[tuple[int, ImageRGB | None]]:
        """Number and face of each frame of the source, translated to the target, uint8 [S,S,3]; None where either is hidden."""
        for frame in source.video.frames(start, stop):
            t = frame.index
            if self.weights[t] > 0 and source.faces.valid[t]:
                face = crop_face(frame.image_rgb, source.faces.crop(t))
                yield t, _to_image(face + self._residual(face, draw_face_maps(source.faces, t, source.pose[t])))
            else:
                yield t, None

    def _blend(self, blender: Blender, image: ImageRGB, face: ImageRGB, t: int) -> ImageRGB:
        within = head_outline(self.faces, t) if self._translates else np.ones(face.shape[:2], np.float32)
        behind = None if self._background is None else self._background.at(float(self.faces.time_s[t]))
        if behind is not None and behind.shape[2] == 3:
            within = within * covered_by_person(image, behind, self.faces, t)
        within = within * self.weights[t]
        return change_color(image, lambda rgb: blender.blend(rgb, face, t, self._pose[t], within))

    @torch.inference_mode()
    def _residual(self, face_rgb: ImageRGB, maps: FloatArray) -> FloatArray:
        """What the network adds to a face, in grey levels: float32 [S,S,3]."""
        device = self._execution.torch_device
        with self._execution.limited_threads():
            face = torch.from_numpy(face_rgb).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1
            inputs = (face, torch.from_numpy(maps).to(device)[None])
            face_input, maps_input = (x.to(self._dtype, memory_format=torch.channels_last) for x in inputs)
            residual = self._network(face_input, maps_input)[0].float() * 127.5
            return np.asarray(residual.permute(1, 2, 0).cpu().numpy(), np.float32)


def _weights(target: FaceTrack, faces: FaceTrack, source: FaceTrack | None) -> FloatArray:
    """How strongly each frame's face is refined: float32 [T] in [0,1]. target: faces of the footage."""
    if source is None:
        return fade_over_time(faces.valid * coverage_weights(faces, target), faces.time_s)
    # The source's own image tells the rotation of the head better than the retargeted pose, which has the same.
    weights = faces.valid * source_weights(faces, source) * coverage_weights(source, target)
    return fade_over_time(weights, faces.time_s)


def _to_image(values: FloatArray) -> ImageRGB:
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)
