"""Whole batches: with real work in this process, and on Ray with work that is killed."""

import json
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.batch import run_batch as run_batch_module
from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import read_jobs
from dancenow.batch.plan import Step
from dancenow.batch.ray_engine import RayEngine
from dancenow.batch.run_batch import STORAGE, BatchOptions, run_batch
from dancenow.batch.summary import Summary
from dancenow.batch.work import WorkerSettings
from dancenow.errors import DependencyError, UserError
from dancenow.generators.crop.config import CropConfig, LossWeights
from dancenow.generators.crop.discriminator import DiscriminatorConfig
from dancenow.generators.crop.network import GeneratorConfig
from dancenow.generators.references.config import PRESETS
from dancenow.media.source import read_frames
from dancenow.metrics.perceptual import EfficientNetTrunk, PerceptualDistance
from dancenow.provenance.consent import consent
from dancenow.provenance.content_marking import read_provenance
from dancenow.storage import pretrained
from dancenow.storage.unfinished import PREFIX
from dancenow.types import PoseTrack
from helpers.batch_world import InlineEngine, a_job, stay_forever, write_a_line
from helpers.drawn_world import dancer_track, drawn_detector, film, stand_in_for_the_detector

TINY = CropConfig(
    GeneratorConfig(canvas_px=64, width=8, blocks=1), DiscriminatorConfig(width=4, scales=1),
    DiscriminatorConfig(frames=2, width=4, scales=1), LossWeights(perceptual=0.0),
)  # fmt: skip


def smaller_dancer(num_frames: int) -> PoseTrack:
    return dancer_track(num_frames, phase=1.0, body_px=60.0)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A long and a short dance for one person."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretrained, "fetch_all", lambda *_: None)
    monkeypatch.setattr(run_batch_module, "require_signer", lambda: None)
    film(tmp_path / "long.mp4", smaller_dancer(26))
    film(tmp_path / "short.mp4", smaller_dancer(9))
    film(tmp_path / "person.mp4", dancer_track(60))
    path = tmp_path / "jobs.csv"
    path.write_text("source,target,out\nlong.mp4,person.mp4,long\nshort.mp4,person.mp4,short\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("address", [None, "a cluster"])
def test_a_batch_makes_the_videos_of_run(
    address: str | None, jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_the_detector(monkeypatch)
    monkeypatch.setattr(pipeline, "detect_poses", drawn_detector(smaller_dancer))
    monkeypatch.setitem(PRESETS, "draft", TINY)
    monkeypatch.setattr("dancenow.storage.pretrained.path", lambda *_: tmp_path)
    trunk = PerceptualDistance(EfficientNetTrunk(), depth=1)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: trunk)
    monkeypatch.setattr(run_batch_module, "RayEngine", InlineEngine)
    settings = Settings(budget="6images", face="none", consent="rendered")
    url = None if address is None else f"memory://{tmp_path.name}"
    options = BatchOptions(address=address, storage_url=url, part_s=0.34, device="cpu")
    summary = run_batch(read_jobs(jobs, settings), tmp_path / "out", options)
    assert [(result.state, result.error) for result in summary.jobs] == [("done", ""), ("done", "")]
    assert {kind: cost.runs for kind, cost in summary.stages.items()} == {
        "poses": 2, "subject": 1, "model": 1, "transfer": 1, "part": 3, "video": 2,
    }  # fmt: skip
    whole = pipeline.run(
        tmp_path / "long.mp4", tmp_path / "person.mp4", tmp_path / "whole.mp4", budget="6images", face="none", report=False,
        consent=consent("rendered"), device="cpu",
    )  # fmt: skip
    joined = tmp_path / "out" / "long.mp4"
    for one, other in zip(read_frames(whole.transfer.video), read_frames(joined), strict=True):
        assert np.array_equal(one.image_rgb, other.image_rgb)
    assert read_provenance(joined).credentials.state == "signed"
    again = run_batch(read_jobs(jobs, settings), tmp_path / "out", options)
    assert [result.state for result in again.jobs] == ["kept", "kept"]
    assert again.stages == {}


def do_batch(jobs: Path, folder: Path) -> Summary:
    settings = Settings(budget="6images", face="none", consent="rendered")
    options = BatchOptions(workers=2, part_s=0.34, device="cpu")
    return run_batch(read_jobs(jobs, settings), folder, options, do=write_a_line)


@pytest.mark.slow
def test_killed_workers_cost_their_step_and_leave_nothing(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    film(tmp_path / "bad.mp4", smaller_dancer(5))
    with jobs.open("a") as file:
        file.write("bad.mp4,person.mp4,bad\n")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "kill-part").touch()
    summary = do_batch(jobs, folder)
    assert [(result.state, result.error) for result in summary.jobs] == [
        ("done", ""), ("done", ""), ("failed", "nobody is in bad.mp4."),
    ]  # fmt: skip
    assert {kind: cost.retried for kind, cost in summary.stages.items() if cost.retried} == {"part": 1}
    done = Counter((folder / "log.txt").read_text().splitlines())
    assert sum(count - 1 for count in done.values()) == 1
    assert (folder / "long.mp4").read_text() == "long.mp4"
    assert not list(tmp_path.rglob(f"{PREFIX}*"))
    written = json.loads((folder / "summary.json").read_text())
    assert written["counts"] == {"done": 2, "kept": 0, "failed": 1, "open": 0}
    assert written["failures"][0]["error"] == "nobody is in bad.mp4."
    (folder / "short.mp4").unlink()
    monkeypatch.setattr(run_batch_module, "RayEngine", InlineEngine)
    assert [result.state for result in do_batch(jobs, folder).jobs] == ["kept", "kept", "failed"]
    assert (folder / "short.mp4").read_text() == "short.mp4"
    more = Counter((folder / "log.txt").read_text().splitlines()) - done
    assert set(more) <= {
        "poses bad.mp4",
        "poses poses of bad.mp4",
        "subject subject of person.mp4",
        "model model of person.mp4",
    }


@pytest.mark.slow
def test_a_batch_that_is_stopped_lets_its_steps_clean_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    before = signal.getsignal(signal.SIGTERM)
    settings = WorkerSettings(str(tmp_path / STORAGE), shares_cache=False, device="cpu")
    step = Step("key", "poses", a_job("dance.mp4", "me.mp4"))

    def be_stopped() -> None:
        with RayEngine(stay_forever, settings, workers=1, address=None) as engine:
            assert signal.getsignal(signal.SIGTERM) is before, "Ray's own handler ends a command with another status"
            engine.start(step)
            while not list(tmp_path.glob(f"{PREFIX}*")):
                assert engine.wait(0.1) == []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_stopped()
    assert not list(tmp_path.glob(f"{PREFIX}*"))


@pytest.mark.slow
def test_lost_progress_costs_no_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=":")
    settings = WorkerSettings(str(tmp_path / STORAGE), shares_cache=False, device="cpu")
    with RayEngine(stay_forever, settings, workers=1, address=None) as engine:
        engine.start(Step("key", "poses", a_job("dance.mp4", "me.mp4")))
        while not engine.activity():
            time.sleep(0.05)
        engine._ray.kill(engine._shared_progress, no_restart=False)
        time.sleep(1.5)  # for a few reports
        for folder in tmp_path.glob(f"{PREFIX}*"):
            shutil.rmtree(folder)  # which the step waits for
        (end,) = engine.wait(20)
    assert (end.error, end.is_lost) == ("", False)


def test_without_ray_one_sentence_names_the_extra(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyError, match="extra `cluster`"):
        do_batch(jobs, jobs.parent / "out")


def test_options_that_make_no_sense(tmp_path: Path) -> None:
    for wrong in ({"retries": -1}, {"part_s": 0.0}, {"address": "auto"}, {"address": "auto", "workers": 2}):
        with pytest.raises(UserError):
            BatchOptions(**wrong)
    with pytest.raises(UserError, match="cannot be read"):
        read_jobs(tmp_path / "missing.csv", Settings())
    assert STORAGE.startswith(".")
