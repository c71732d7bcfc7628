"""Analyze the pose track of a dancer: how often a hand is above the nose. Usage: python 03_poses.py VIDEO"""

import sys
from pathlib import Path

import numpy as np

from dancenow import detect_poses
from dancenow.skeleton import INDEX
from dancenow.types import FrameStatus

track = detect_poses(Path(sys.argv[1]))
hands_y_px = track.pose.xy[:, [INDEX["left_wrist"], INDEX["right_wrist"]], 1].min(axis=1)
overhead = (hands_y_px < track.pose.xy[:, INDEX["nose"], 1]) & (track.status != FrameStatus.MISSING)
print(track)
print(f"a hand is above the nose in {np.mean(overhead):.0%} of the frames")
