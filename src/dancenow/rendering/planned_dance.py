"""From the dance of a source video to the poses that are rendered: its camera, the target's body, the target's camera."""

from dataclasses import dataclass
from typing import Final

from dancenow.media.source import VideoSource
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.registry import RetargetingKind, complete_body, retarget
from dancenow.pose.retargeting.travel import keep_in_frame
from dancenow.progress import ProgressCallback
from dancenow.rendering.scene_choice import Dance, SceneChoice
from dancenow.subject.camera.source_camera import source_camera, source_camera_warnings
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.same_camera import fit_videos
from dancenow.subject.target_appearance import Target
from dancenow.subject.target_view import CameraMode, TargetView
from dancenow.types import PoseTrack

_SHORTENED: Final = (
    "The camera of the source follows the dancer farther than the target's frame is wide; their way is shortened to stay in it."
)


@dataclass(frozen=True, eq=False)
class PlannedDance:
    """A dance on the target's body. world_track: in the reference view of the target, as a `Renderer` takes it. shown_track: in
    px of the rendered frames. view: of the target in a scene. normalization: what the retargeting does. warnings: one sentence
    each.
    """

    world_track: PoseTrack
    shown_track: PoseTrack
    view: TargetView
    normalization: str
    warnings: tuple[str, ...]


def plan_dance(
    source: VideoSource,
    source_track: PoseTrack,
    target: Target,
    *,
    normalize: RetargetingKind,
    camera: CameraMode,
    scene: SceneChoice,
    on_progress: ProgressCallback,
) -> PlannedDance:
    """Retarget the dance of a source video, measured in a fixed view, to a target, and put it into a scene.

    source_track: in px of the source's frames.

    Raises:
        UserError: the video cannot be read, or as `fit_retargeter`.
    """
    poses, filmed_by = PosePipeline.create(), source_camera(source, source_track, target, on_progress)
    whole = complete_body(source_track, target.track)
    retargeter = fit_videos(normalize, source, whole, target.track, target.plate, filmed_by)
    retargeted = retarget(filmed_by.to_world(whole), retargeter, target.track)
    may_leave = scene.is_target_view and _may_leave(filmed_by, source_track, target, camera)
    inside = keep_in_frame(retargeted) if may_leave else retargeted
    track = poses.smooth_jitter(inside)
    staged = scene.stage(Dance(source, source_track, track, target, camera, filmed_by), on_progress)
    shortened = () if inside is retargeted else (_SHORTENED,)
    view, warnings = staged.view, (*source_camera_warnings(filmed_by), *shortened, *staged.notes)
    return PlannedDance(poses.for_rendering(track), view.show(track), view, str(retargeter), warnings)


def _may_leave(filmed_by: CameraTrajectory, source_track: PoseTrack, target: Target, camera: CameraMode) -> bool:
    """Whether the source's camera followed the dancer, and one place shows the result: a still camera has its own limits."""
    follows = camera == "follow" and target.camera is not None
    return not (filmed_by.is_still or follows or source_track.source_sha256 == target.track.source_sha256)
