"""Find a person who is in a small part of a video only, where following them frame by frame gives too little.

The survey of the whole video says where anybody is; there it looks again, more densely.
"""

from typing import Final

import numpy as np

from dancenow.pose.tracking.reidentification import Detection, PeopleSurvey, find_people, search_windows, select_person
from dancenow.progress import track

_MAX_FRAMES: Final = 60
"""Frames that are looked at again."""


def find_brief_appearance(people: PeopleSurvey, person: int | None, every: int) -> list[Detection]:
    """Detections of the person, at most one per frame, in order; around those of the survey every `every`-th frame is searched.

    Raises:
        UserError: nobody, or no such person, is found in the survey; or the video cannot be read.
    """
    select_person(people.detections, person, people.source)
    by_frame = {found[0].frame: found for found in people.detections if found}
    numbers = _near(sorted(by_frame), _survey_step(people), every)
    for frame in track(people.source.frames_at(numbers), "looking again", len(numbers), people.on_progress):
        height_px, width_px = frame.image_rgb.shape[:2]
        found = find_people(people.detector, frame, search_windows(frame.image_rgb, min(height_px, width_px)))
        if found:
            by_frame[frame.index] = found
    chosen = select_person([by_frame[number] for number in sorted(by_frame)], person, people.source)
    return sorted(chosen.person, key=lambda each: each.frame)


def _survey_step(people: PeopleSurvey) -> int:
    """About how many frames lie between two of the survey."""
    info = people.source.info
    count = info.num_frames or round((info.duration_s or 0) * info.fps)
    return max(1, count // max(1, len(people.detections)))


def _near(seen: list[int], step: int, every: int) -> list[int]:
    """Frames up to `step` away from those where somebody was seen, every `every`-th of them, thinned to `_MAX_FRAMES`."""
    near = {number for frame in seen for number in range(frame - step // every * every, frame + step, every) if number >= 0}
    numbers = sorted(near - set(seen))
    chosen = np.linspace(0, len(numbers) - 1, min(len(numbers), _MAX_FRAMES)).round().astype(int)
    return [numbers[index] for index in np.unique(chosen)]
