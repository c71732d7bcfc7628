"""Training clips of whole frames: consecutive frames of a subject, letterboxed as at transfer time.

As in the paper, frames are not cropped, moved or mirrored.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dancenow.pose.letterbox import Letterbox
from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.subject.frame_selection import read_selected_frames, select_frames
from dancenow.subject.subject import Subject
from dancenow.types import Pose


@dataclass(frozen=True, eq=False)
class FrameClip:
    """B clips of T consecutive frames: image float32 [B,T,3,H,W] in [-1,1], xy [B,T,K,2] canvas px, confidence [B,T,K]."""

    image: Tensor
    xy: Tensor
    confidence: Tensor


@dataclass(frozen=True, eq=False)
class FrameDataset:
    """A subject's frames on the canvas `box`, in memory: image uint8 [N,H,W,3], pose [N,K] in canvas px; `starts` int64 [M]
    are positions where `length` consecutive frames begin."""

    image: NDArray[np.uint8]
    pose: Pose
    starts: NDArray[np.int64]
    length: int
    box: Letterbox

    @staticmethod
    def build(
        subject: Subject,
        box: Letterbox,
        length: int,
        max_frames: int,
        part: str = "train",
        on_progress: ProgressCallback = ignore_progress,
    ) -> "FrameDataset":
        """Decode the subject's video once and keep at most `max_frames` frames of the split `part`, spread over its time.

        Raises:
            UserError: too few frames show the person.
        """
        runs = select_frames(subject, part, length, max_frames)
        image = np.empty((len(runs.frames), box.height_px, box.width_px, 3), np.uint8)
        for position, (frame, _) in enumerate(read_selected_frames(subject, runs, on_progress)):
            image[position] = box.place(subject.in_reference_view(frame))
        return FrameDataset(image, box.apply(subject.world_track.pose[runs.frames]), runs.starts, length, box)

    def draw(self, batch: int, rng: np.random.Generator, device: torch.device) -> FrameClip:
        """Draw a random batch; the same state of `rng` gives the same batch."""
        return self.take(rng.choice(self.starts, size=batch), device)

    def take(self, starts: NDArray[np.int64], device: torch.device) -> FrameClip:
        """The clips that begin at the stored frames `starts` [B]."""
        frames = starts[:, None] + np.arange(self.length)
        image = torch.from_numpy(self.image[frames]).to(device).permute(0, 1, 4, 2, 3).float()
        xy, confidence = (torch.from_numpy(x[frames]).to(device) for x in (self.pose.xy, self.pose.confidence))
        return FrameClip(image.div_(127.5).sub_(1.0), xy, confidence)
