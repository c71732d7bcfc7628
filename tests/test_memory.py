"""Memory does not grow with the length of a video: ten times the frames, the same peak within 5%."""

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

    def run(program: str, *words: Path) -> str:
        command = [sys.executable, "-c", program, *map(str, words)]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    run(TRAIN, tmp_path)
    # Were the frames held, 600 of them would take 184 MB more than 60.
    model = tmp_path / "model.safetensors"
    peaks_kb = [int(run(TRANSFER, tmp_path / f"{n}.mp4", model, tmp_path / f"{n}-out.mp4")) for n in ("short", "long")]
    assert peaks_kb[1] < 1.05 * peaks_kb[0], peaks_kb
