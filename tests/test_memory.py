"""Memory does not grow with the length of a video: ten times the frames, the same peak within 5%.

Pose tracks are held whole, so that an hour needs something more; a bound on the bytes of a frame keeps it small."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRANSFER = """
import sys
from pathlib import Path
import torch
from dancenow import pipeline
from helpers.drawn_world import dancer_track, drawn_detector, peak_kb
torch.set_num_threads(1)
pipeline.detect_poses = drawn_detector(lambda count: dancer_track(count, body_px=200.0, size_px=320))
pipeline.transfer(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), device="cpu")
print(peak_kb())
"""

MOST_KB_A_FRAME = 1.5

PLAN = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from dancenow import pipeline
from dancenow.types import Pose
from helpers.drawn_world import dancer_track, drawn_detector, peak_kb
torch.set_num_threads(1)
frames, short = np.arange(int(sys.argv[4])) % 240, dancer_track(240, body_px=200.0, size_px=320)
xy = short.pose.xy + np.random.default_rng(0).normal(0, 0.5, short.pose.xy.shape).astype(np.float32)
pose = Pose(xy[frames], short.pose.confidence[frames], short.pose.depth[frames])
track = replace(short, pose=pose, time_s=np.arange(len(frames)) / 24, status=short.status[frames])
pipeline.detect_poses = drawn_detector(lambda _: track)
model, out = Path(sys.argv[2]), Path(sys.argv[3])
pipeline.transfer(Path(sys.argv[1]), model, out, normalize="skeletal", device="cpu", frames=(0, 2))
print(peak_kb())
"""

TRAIN = """
import sys
from pathlib import Path
import pytest, torch
from dancenow.storage.checkpoint import save_checkpoint, with_prefix, Checkpoint
from dancenow.subject.target_appearance import Target
from dancenow.generators.crop.network import (Generator, GeneratorConfig)
from dancenow.types import Plate
from dataclasses import asdict, replace
import numpy as np
from helpers.drawn_world import dancer_track, film, room
folder = Path(sys.argv[1])
for name, count in (("short", 60), ("long", 600)):
    film(folder / f"{name}.mp4", dancer_track(count, body_px=200.0, size_px=320))
config = GeneratorConfig(canvas_px=64, width=4, blocks=0)
track = dancer_track(60, body_px=200.0, size_px=320)
target = Target("drawn", Plate(room(320), np.ones((320, 320), bool)), track, "0" * 64)
kept = target.to_checkpoint("body")
tensors = {**kept.tensors, **with_prefix("generator", Generator(config).state_dict())}
info = replace(kept.info, config={"generator": asdict(config), "precision": "float32"})
save_checkpoint(folder / "model.safetensors", Checkpoint(info, tensors))
"""


@pytest.mark.slow
def test_peak_memory_of_a_transfer_does_not_grow_with_length(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "DANCENOW_CACHE": str(tmp_path / "cache")}

    def run(program: str, *words: Path | int) -> str:
        command = [sys.executable, "-c", program, *map(str, words)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    run(TRAIN, tmp_path)
    # Were the frames held, 600 of them would take 184 MB more than 60.
    model = tmp_path / "model.safetensors"
    peaks_kb = [int(run(TRANSFER, tmp_path / f"{n}.mp4", model, tmp_path / f"{n}-out.mp4")) for n in ("short", "long")]
    assert peaks_kb[1] < 1.05 * peaks_kb[0], peaks_kb
    # The poses of a frame take 0.45 KB; a table of all frames beside those of the footage, or float64 copies, far more.
    few, many = 6_000, 24_000
    planned_kb = [int(run(PLAN, tmp_path / "short.mp4", model, tmp_path / "part.mp4", count)) for count in (few, many)]
    assert (planned_kb[1] - planned_kb[0]) / (many - few) < MOST_KB_A_FRAME, planned_kb
