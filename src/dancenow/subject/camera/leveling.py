"""A dance that a turned camera filmed, set upright: as the target's camera would have seen it.

Who holds a phone askew makes the whole room lean, and the dancer with it. In the target's room, which stands straight, the same
poses would lean and float. So the reference view of the source is turned by the difference of both cameras' rolls.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from dancenow.subject.camera.roll import estimate_roll, median_lean, turn_about_center
from dancenow.subject.camera.trajectory import CameraKind, CameraTrajectory
from dancenow.subject.camera_motion import BackgroundView
from dancenow.subject.same_camera import background_view_of_plate, group_views, same_camera
from dancenow.subject.target_appearance import Target
from dancenow.types import FrameStatus, PoseTrack

_MIN_TURN_RAD: Final = float(np.deg2rad(4))
"""Less is within the errors of two estimates, and hardly seen."""
_UPRIGHT_RAD: Final = float(np.deg2rad(4))
"""Where lines do not say the roll, a camera counts as level if the person leans by less."""


def level_camera(
    track: PoseTrack, camera: CameraTrajectory, views: Sequence[BackgroundView], target: Target
) -> tuple[CameraTrajectory, tuple[str, ...]]:
    """The camera of a source, with a reference view that stands as upright as the target's, and what the user should know.

    track: in px of the source's frames. views: the background of each of its shots, see `background_views`. Each camera view is
    turned by its own angle; not at all if an angle is not sure, or if the target's camera filmed it.
    """
    turns_rad = _turns(track, camera, views, target)
    if not any(turns_rad):
        return camera, ()
    to_reference = camera.to_reference.copy()
    for shot, turn_rad in zip(track.shots, turns_rad, strict=True):
        to_reference[shot] = turn_about_center(turn_rad, camera.width_px, camera.height_px) @ to_reference[shot]
    kind = CameraKind.TURNING if camera.is_still else camera.kind
    degrees = np.rad2deg(max(turns_rad, key=abs))
    note = f"The source's camera is turned by {abs(degrees):.0f} degrees against the target's; this is taken out of the dance."
    return replace(camera, to_reference=to_reference, kind=kind), (note,)


def _turns(track: PoseTrack, camera: CameraTrajectory, views: Sequence[BackgroundView], target: Target) -> list[float]:
    """The angle in radians by which each shot of the source is to be turned: one for all shots of a view."""
    shown = background_view_of_plate(target.plate)
    wanted_rad = _roll(shown, target.track)
    if wanted_rad is None:
        return [0.0] * len(track.shots)
    world = camera.to_world(track)
    of_shot = group_views(views)
    seen = [int((track.status[shot] == FrameStatus.MEASURED).sum()) for shot in track.shots]
    turns_rad: dict[int, float] = {}
    for view in set(of_shot):
        longest = max((number for number, own in enumerate(of_shot) if own == view), key=lambda number: seen[number])
        shot = track.shots[longest]
        roll_rad = None if seen[longest] == 0 else _roll(views[longest], world.part(shot.start, shot.stop))
        turn_rad = 0.0 if roll_rad is None else wanted_rad - roll_rad
        is_needed = abs(turn_rad) > _MIN_TURN_RAD and not same_camera(views[longest], shown)
        turns_rad[view] = turn_rad if is_needed else 0.0
    return [turns_rad[view] for view in of_shot]


def _roll(view: BackgroundView, track: PoseTrack) -> float | None:
    """That of a view in which the person of a track is; level if lines do not say it, but the person stands upright."""
    lean_rad = median_lean(track)
    roll_rad = estimate_roll(view, lean_rad)
    if roll_rad is None and lean_rad is not None and abs(lean_rad) < _UPRIGHT_RAD:
        return 0.0
    return roll_rad
