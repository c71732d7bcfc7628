"""A batch with several dancers and kept halves makes the videos of `dancenow run`, in parts and on a cluster, too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dancenow import pipeline
from dancenow.batch import run_batch as run_batch_module
from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import read_jobs
from dancenow.batch.run_batch import BatchOptions, run_batch
from dancenow.generators.registry import FAMILIES
from dancenow.media.source import VideoInput, open_video, read_frames
from dancenow.provenance.consent import consent
from dancenow.provenance.content_credentials import read_credentials
from dancenow.storage import pretrained
from dancenow.types import Pose, PoseTrack
from helpers.batch_world import InlineEngine
from helpers.drawn_world import dancer_track, film, film_two, people_detector, stand_in_for_the_detector
from helpers.toy_family import ToyFamily

FRAMES = 26


def beside(number: int | None, num_frames: int) -> PoseTrack:
    """One of two people who dance beside each other."""
    track = dancer_track(num_frames, phase=float(number or 1), body_px=60.0)
    shift_px = np.array((-25.0, 0.0) if number == 1 else (25.0, 4.0), np.float32)
    return replace(track, pose=Pose(track.pose.xy + shift_px, track.pose.confidence))


def detect_beside(video: VideoInput, *, person: int | None = None, **_: object) -> PoseTrack:
    """Stands in for `detect_poses`, and knows two people."""
    source = open_video(video)
    return replace(beside(person, source.info.num_frames or 0), source_sha256=source.sha256)


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dance of two people, and two people who dance it together, one of them alone, and one with both parts."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretrained, "fetch_all", lambda *_: None)
    monkeypatch.setattr(run_batch_module, "require_signer", lambda: None)
    monkeypatch.setattr(run_batch_module, "RayEngine", InlineEngine)
    monkeypatch.setattr(pipeline, "detect_poses", detect_beside)
    monkeypatch.setattr(pipeline, "detect_people", people_detector(detect_beside))
    monkeypatch.setitem(FAMILIES, "toy", ToyFamily)
    monkeypatch.setattr("dancenow.generators.train_model.PerceptualDistance", lambda **_: None)
    stand_in_for_the_detector(monkeypatch)
    film_two(tmp_path / "duet.mp4", beside(1, FRAMES), beside(2, FRAMES))
    film(tmp_path / "ann.mp4", dancer_track(60))
    film(tmp_path / "bob.mp4", dancer_track(50))
    path = tmp_path / "jobs.csv"
    path.write_text(
        "source,target,dancer,out,source_person,keep,consent\n"
        "duet.mp4,,2=bob.mp4; 1=ann.mp4,both,,lower,1=self; 2=rendered\n"
        "duet.mp4,ann.mp4,,alone,2,upper,self\n"
        "duet.mp4,,1=ann.mp4; 2=ann.mp4,twice,,,self\n"
    )
    return path


@pytest.mark.slow
@pytest.mark.parametrize("address", [None, "a cluster"])
def test_a_batch_makes_the_videos_of_run_with_several_dancers_and_kept_halves(
    address: str | None, jobs: Path, tmp_path: Path
) -> None:
    settings = Settings(budget="4images", preset="disc", face="none")
    url = None if address is None else f"memory://{tmp_path.name}"
    options = BatchOptions(address=address, storage_url=url, part_s=0.34, device="cpu")
    summary = run_batch(read_jobs(jobs, settings), tmp_path / "out", options)
    assert [(result.state, result.error) for result in summary.jobs] == [("done", "")] * 3
    assert {kind: cost.runs for kind, cost in summary.stages.items()} == {
        "poses": 2, "subject": 2, "model": 2, "transfer": 3, "part": 9, "video": 3,
    }  # fmt: skip
    both, alone, twice = summary.to_json()["jobs"]
    ann, bob = str(tmp_path / "ann.mp4"), str(tmp_path / "bob.mp4")
    assert (both["dancers"], alone["target"], twice["dancers"]) == ({"2": bob, "1": ann}, ann, {"1": ann, "2": ann})
    run_options = {"budget": "4images", "preset": "disc", "face": "none", "report": False, "device": "cpu"}
    made = {
        "both": pipeline.run(
            tmp_path / "duet.mp4", {2: tmp_path / "bob.mp4", 1: tmp_path / "ann.mp4"}, tmp_path / "both.mp4", keep="lower",
            consent={1: consent("self"), 2: consent("rendered")}, **run_options,  # type: ignore[arg-type]
        ),
        "alone": pipeline.run(
            tmp_path / "duet.mp4", tmp_path / "ann.mp4", tmp_path / "alone.mp4", source_person=2, keep="upper",
            consent=consent("self"), **run_options,  # type: ignore[arg-type]
        ),
    }  # fmt: skip
    for name, result in made.items():
        found = tmp_path / "out" / f"{name}.mp4"
        for one, other in zip(read_frames(result.transfer.video), read_frames(found), strict=True):
            assert np.array_equal(one.image_rgb, other.image_rgb), name
    facts = read_credentials(tmp_path / "out" / "both.mp4").facts or {}
    assert len({each["subject_sha256"] for each in facts["dancers"]}) == 2
    again = run_batch(read_jobs(jobs, settings), tmp_path / "out", options)
    assert [result.state for result in again.jobs] == ["kept"] * 3
    jobs.write_text(jobs.read_text().replace("lower", "none"))
    changed = run_batch(read_jobs(jobs, settings), tmp_path / "out", options)
    assert [result.state for result in changed.jobs] == ["done", "kept", "kept"]
