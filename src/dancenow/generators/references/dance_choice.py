"""Which pictures show which part in a whole dance, without a number for each frame, part and picture of it in memory.

The choice looks at a dance as a whole, so that any part of it is rendered alike. Distances are computed for a block of frames
whenever they are needed; what is kept of a frame is a small number for each slot and part.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.generators.references.body_parts import NUM_PARTS
from dancenow.generators.references.prepared_pictures import PreparedPictures
from dancenow.generators.references.reference_choice import SteadyChoice, choose_over_time, exclude_near
from dancenow.types import FrameStatus, PoseTrack

_BLOCK: Final = 512
"""Frames whose distances are computed together. Products of fewer rows are rounded differently."""


class DanceDistances:
    """How badly each picture shows each part in the frames of a dance, [n,P,M]. It does not depend on the person's size.

    The last block that was asked for is kept.
    """

    def __init__(self, pictures: PreparedPictures, track: PoseTrack, excluded_s: float | None) -> None:
        """excluded_s: pictures nearer in time are not used; None for a dance of another video than the pictures'."""
        self._pictures, self._track, self._excluded_s = pictures, track, excluded_s
        self._number, self._kept = -1, np.zeros((0, 0, 0), np.float32)

    def __getitem__(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """Those of some frames [n], increasing."""
        numbers = frames // _BLOCK
        parts = [self._block(int(number))[frames[numbers == number] % _BLOCK] for number in np.unique(numbers)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, number: int) -> NDArray[np.float32]:
        if number != self._number:
            first, stop = number * _BLOCK, min((number + 1) * _BLOCK, len(self._track))
            start = max(stop - _BLOCK, 0)
            self._number, self._kept = number, self._compute(slice(start, stop))[first - start :]
        return self._kept

    def _compute(self, frames: slice) -> NDArray[np.float32]:
        pose, pictures = self._track.pose, self._pictures
        device = pictures.time_s.device
        xy, confidence, depth = (torch.from_numpy(a[frames]).to(device) for a in (pose.xy, pose.confidence, pose.depth))
        distances = pictures.distances(xy, confidence, depth)
        if self._excluded_s is not None:
            time_s = torch.from_numpy(self._track.time_s[frames]).to(device)
            distances = exclude_near(distances, time_s, pictures.time_s, self._excluded_s)
        return np.asarray(distances.cpu().numpy(), np.float32)


class DanceChoice:
    """The pictures that show each part in the frames of a dance, with cross-fades; all 0 where nobody is."""

    def __init__(self, distances: DanceDistances, track: PoseTrack, slots: int) -> None:
        """Choose for the whole dance; slots: how many pictures show a part at once."""
        self._track, self._slots = track, slots
        self._shots: list[tuple[NDArray[np.int64], tuple[SteadyChoice, ...]]] = []
        seen = track.status != FrameStatus.MISSING
        for shot in track.shots:
            present = np.flatnonzero(seen[shot]) + shot.start
            chosen: tuple[SteadyChoice, ...] = ()
            if len(present):
                paths = choose_over_time(_Selected(distances, present), track.time_s[present], slots)
                chosen = tuple(SteadyChoice.of(path, track.time_s[present]) for path in paths)
            self._shots.append((present.astype(np.int32), chosen))

    def __getitem__(self, frames: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Pictures and weights [n,C,2,P] of some frames [n], increasing."""
        shape = (len(frames), self._slots, 2, NUM_PARTS)
        pictures, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        of_shot = np.searchsorted(self._track.cuts, frames, side="right")
        for number in np.unique(of_shot):
            present, chosen = self._shots[number]
            wanted = np.flatnonzero((of_shot == number) & (self._track.status[frames] != FrameStatus.MISSING))
            place = np.searchsorted(present, frames[wanted])
            for slot, choice in enumerate(chosen):
                pictures[wanted, slot], weights[wanted, slot] = choice.faded(place)
        return pictures, weights


class _Selected:
    """The distances of some frames [T] of a dance, in blocks, see `FrameDistances`."""

    def __init__(self, distances: DanceDistances, frames: NDArray[np.int64]) -> None:
        self._distances, self._frames = distances, frames
        self.shape = (len(frames), *distances[frames[:1]].shape[1:])

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        return self._distances[self._frames[part]]
