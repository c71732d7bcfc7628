"""Several dancers in the place of the first one's target: beside and behind each other as in the source."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dancenow.pose.retargeting.registry import complete_body, retarget
from dancenow.rendering.placement import PlacedCamera
from dancenow.rendering.scene_choice import Dance
from dancenow.subject.camera.trajectory import CameraTrajectory
from dancenow.subject.target_view import TargetView


def share_place(view: TargetView, dances: Sequence[Dance]) -> tuple[TargetView, ...]:
    """The view of each dance. view: of the first, which stays.

    What brings the first dancer of the source to their target says where the others stand there, and how tall they are.
    """
    first, *others = dances
    return view, *(replace(view, camera=_beside(first, other, view)) for other in others)


def _beside(first: Dance, other: Dance, view: TargetView) -> PlacedCamera:
    body = first.target.track
    dancer = retarget(first.source_camera.to_world(complete_body(other.source_track, body)), first.retargeter, body)
    still = CameraTrajectory.still(len(dancer), dancer.width_px, dancer.height_px)
    placed = PlacedCamera.fit(other.world_track, dancer, still, holds_place=other.holds_place)
    if view.camera is None:
        return placed
    to_frame = np.stack([np.linalg.inv(view.camera.to_reference(time_s)) for time_s in placed.time_s.tolist()])
    return replace(placed, to_frame_of=to_frame @ placed.to_frame_of, frame_px=view.camera.frame_px)
