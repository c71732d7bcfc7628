"""The simulation of a large batch."""

import json
from pathlib import Path

from dancenow.research.recipes.batch_scaling import Simulate, simulate


def test_more_workers_are_faster_until_there_are_more_than_jobs(tmp_path: Path) -> None:
    cost = {"seconds": 2.0, "bytes_read": 1000, "bytes_written": 2000}
    steps = dict.fromkeys(("poses", "subject", "model", "video"), cost)
    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps({"steps_of_one_job": steps, "seconds_to_hand_out_a_step": 0.001}))
    speed = tmp_path / "speed.json"
    speed.write_text(json.dumps({"summary": {name: {"draft": {"median": 20.0}} for name in ("detect", "poses known")}}))
    rows = simulate(Simulate(measured, speed, tmp_path / "out.json", videos=100))["rows"]
    speeds = [row["videos_per_hour"] for row in rows]
    assert speeds == sorted(speeds)
    assert speeds[1] > 5 * speeds[0]
    assert rows[0]["used"]["workers"] > 0.99
    assert len({row["storage_gb"] for row in rows}) == 1
