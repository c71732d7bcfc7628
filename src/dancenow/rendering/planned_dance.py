"""From the dances of a source video to the poses that are rendered: its camera, the target's body, the target's camera."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from dancenow.freed_memory import release_freed_memory
from dancenow.media.source import VideoSource
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.retargeting.head_views import turn_heads
from dancenow.pose.retargeting.kept_half import KeptHalf, keep_half
from dancenow.pose.retargeting.registry import RetargetingKind, complete_body, retarget
from dancenow.pose.retargeting.travel import keep_in_frame
from dancenow.progress import ProgressCallback
from dancenow.rendering.scene_choice import Dance, SceneChoice
from dancenow.subject.camera.leveling import level_camera
from dancenow.subject.camera.source_camera import source_camera, source_camera_warnings
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.camera_motion import BackgroundView
from dancenow.subject.same_camera import background_views, fit_videos
from dancenow.subject.target_appearance import Target
from dancenow.subject.target_view import CameraMode, TargetView
from dancenow.types import PoseTrack

_SHORTENED: Final = (
    "The camera of the source follows the dancer farther than the target's frame is wide; their way is shortened to stay in it."
)
_OFTEN_TURNED: Final = 0.1
_TURNED: Final = (
    "In {fraction:.0%} of the frames the head looks where the footage shows it and not quite where the dancer looks; film the"
    " head from more sides."
)


@dataclass(frozen=True, eq=False)
class Part:
    """What one person of the source dances, and who is to dance it. person: their number; None for the one who is followed by
    default. track: in px of the source's frames.
    """

    person: int | None
    track: PoseTrack
    target: Target


@dataclass(frozen=True, eq=False)
class PlannedDance:
    """A dance on the target's body. world_track: in the reference view of the target, as a `Renderer` takes it. shown_track: in
    px of the rendered frames. view: of the target in a scene. normalization: what the retargeting does.
    """

    world_track: PoseTrack
    shown_track: PoseTrack
    view: TargetView
    normalization: str


def plan_dances(
    source: VideoSource,
    parts: Sequence[Part],
    normalize: RetargetingKind,
    keep: KeptHalf,
    camera: CameraMode,
    scene: SceneChoice,
    on_progress: ProgressCallback,
    others: Mapping[int, PoseTrack] = MappingProxyType({}),
) -> tuple[list[PlannedDance], tuple[str, ...]]:
    """Retarget the dances of a source video, measured in a fixed view, to their targets, and put them into a scene.

    Returns the dances, one for each part, and what the user should know, one sentence each. keep: half of every body that does
    not dance. others: tracks of the people of the source who stay, by number, as `SceneChoice.find_beside` found them.

    Raises:
        UserError: the video cannot be read, or as `fit_retargeter`.
    """
    poses, leader = PosePipeline.create(), parts[0]
    filmed_by, leveled = source_camera(source, leader.track, leader.target, on_progress), tuple[str, ...]()
    may_leave = len(parts) == 1 and scene.is_target_view and _may_leave(filmed_by, leader, camera)
    views: Sequence[BackgroundView] | None = None
    if normalize != "none" and source.sha256 != leader.target.track.source_sha256:
        views = background_views(source, leader.track, leader.track.shots, filmed_by)
        filmed_by, leveled = level_camera(leader.track, filmed_by, views, leader.target)
    dances, shortened, most_turned = [], tuple[str, ...](), 0.0
    for part in parts:
        whole = complete_body(part.track, part.target.track)
        seen = views if part is leader else None
        retargeter = fit_videos(normalize, source, whole, part.target.track, part.target.plate, filmed_by, seen)
        # Of a long dance, no track is kept longer than it is needed; nor what was decoded to fit it.
        release_freed_memory()
        moved = retarget(filmed_by.to_world(whole), retargeter, part.target.track)
        del whole
        if may_leave:
            inside = keep_in_frame(moved)
            shortened = () if inside is moved else (_SHORTENED,)
            moved = inside
            del inside
        moved, fraction = turn_heads(moved, part.target.track, in_place=not _shares_arrays(moved, part.track))
        most_turned = max(most_turned, fraction)
        world_track = keep_half(moved, part.target.track, keep)
        del moved
        dances.append(Dance(source, part.person, part.track, world_track, part.target, retargeter, keep, camera, filmed_by))
    staged = scene.stage(dances, others, on_progress)
    planned = [
        PlannedDance(poses.for_rendering(dance.world_track), view.show(dance.world_track), view, str(dance.retargeter))
        for dance, view in zip(dances, staged.views, strict=True)
    ]
    heads = (_TURNED.format(fraction=most_turned),) if most_turned > _OFTEN_TURNED else ()
    return planned, (*source_camera_warnings(filmed_by), *leveled, *shortened, *heads, *staged.notes)


def _shares_arrays(a: PoseTrack, b: PoseTrack) -> bool:
    """Whether what is written into the places of keypoints of one track changes the other, too."""
    return np.may_share_memory(a.pose.xy, b.pose.xy) or np.may_share_memory(a.pose.depth, b.pose.depth)


def _may_leave(filmed_by: CameraTrajectory, part: Part, camera: CameraMode) -> bool:
    """Whether the source's camera followed the dancer, and one place shows the result: a still camera has its own limits."""
    follows = camera == "follow" and part.target.camera is not None
    return not (filmed_by.is_still or follows or part.track.source_sha256 == part.target.track.source_sha256)
