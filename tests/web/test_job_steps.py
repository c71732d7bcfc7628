"""The two steps of a job on drawn dancers: check, then training and transfer; stopped, resumed, and with a model again."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import pytest

from dancenow.media.source import probe
from dancenow.progress import CancelToken
from dancenow.provenance.consent import consent
from dancenow.storage.checkpoint import read_info
from dancenow.web.job import Job, Settings
from dancenow.web.job_progress import expected_seconds, machine_speeds
from dancenow.web.job_store import JobStore
from dancenow.web.run_job import STOPPED, run_job
from helpers.drawn_world import dancer_track, film
from helpers.web_world import draw_instead_of_detecting, drawn_videos, film_duet

pytestmark = pytest.mark.slow  # trains and transfers, a few seconds


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    draw_instead_of_detecting(tmp_path, monkeypatch)
    return JobStore(tmp_path / "data")


def run(store: JobStore, job: Job, token: CancelToken | None = None) -> int:
    (store.folder(job.number) / "outcome.json").unlink(missing_ok=True)  # as the queue does
    return run_job(store.folder(job.number), token or CancelToken(), max_seconds=60)


class StopsInTraining(CancelToken):
    """Cancels at the third look once the training has written progress."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._progress, self._looks = folder / "progress.json", 0

    @property
    def is_cancelled(self) -> bool:
        """Whether the training was seen three times."""
        self._looks += self._progress.exists() and json.loads(self._progress.read_text())["stage"] == "training"
        return self._looks > 3


def test_from_upload_to_result_and_again_with_the_model(store: JobStore, tmp_path: Path) -> None:
    job = store.add("ann", *drawn_videos(tmp_path), ("dance.mp4", "me.mp4"))
    assert run(store, job) == 0
    folder, check = store.folder(job.number), store.read(job.number, "check.json")
    assert check["source"]["frames"] == 36
    assert check["target"]["people"] == 1
    assert 0 < check["source"]["seconds"] < 2
    assert check["summary"]
    for name in ("source_pose.jpg", "target_pose.jpg", "coverage.png"):
        assert cv2.imread(str(folder / name)) is not None

    settings, record = Settings(budget="40images"), asdict(consent("rendered"))
    job = store.update(job, step="video", settings=settings, consent=record)
    assert run(store, job, StopsInTraining(folder)) == STOPPED
    assert not (folder / "outcome.json").exists()
    assert run(store, job) == 0
    result = store.read(job.number, "result.json")
    assert probe(folder / result["result"]).num_frames == 36
    assert probe(folder / "beside.mp4").width_px == 2 * probe(folder / "result.mp4").width_px
    page = (folder / "report.html").read_text()
    assert "synthetic" in page
    assert str(tmp_path) not in page

    dance, _ = drawn_videos(tmp_path)
    again = store.add("ann", dance, None, ("dance 2.mp4", "me"), model_of=job.number)
    assert run(store, again) == 0
    assert run(store, store.update(again, step="video")) == 0
    assert probe(store.folder(again.number) / "result.mp4").num_frames == 36

    dance, _ = drawn_videos(tmp_path)
    stolen = store.add("bob", dance, None, ("dance", "me"), model_of=job.number)
    assert run(store, stolen) == 2
    assert "no such model" in store.read(stolen.number, "outcome.json")["error"]


def test_two_people_dance_a_duet(store: JobStore, tmp_path: Path) -> None:
    _, me = drawn_videos(tmp_path)
    job = store.add("", film_duet(tmp_path / "duet.mp4"), me, ("duet", "ann"))
    assert run(store, job) == 0
    assert store.read(job.number, "check.json")["source"]["people"] == 2

    folder, record = store.folder(job.number), asdict(consent("rendered"))
    video = store.keep_video(job, film(tmp_path / "bob.mp4", dancer_track(50)))
    job = store.save(job.with_dancer("bob", people=2, video=video))
    assert run(store, job) == 0
    check = store.read(job.number, "check.json")
    assert check["others"]["target2"]["frames"] == 50
    assert [(part["person"], part["dancer"]) for part in check["parts"]] == [(1, "ann"), (2, "bob")]
    assert all(part["summary"] for part in check["parts"])
    for name in ("source_people.jpg", "target2_pose.jpg", "coverage1.png", "coverage2.png"):
        assert cv2.imread(str(folder / name)) is not None

    job = store.update(job, step="video", settings=Settings(budget="4images", parts=(1, 2)), consent=record)
    assert run(store, job) == 2
    assert "consent" in store.read(job.number, "outcome.json")["error"]
    job = store.update(job, others=(replace(job.others[0], consent=record),))
    assert run(store, job) == 0
    assert probe(folder / "beside.mp4").num_frames == 30
    assert read_info(folder / "model.safetensors").subject != read_info(folder / "model2.safetensors").subject
    assert (folder / "report.html").read_text().count("person 2") > 0

    again = store.add("", film_duet(tmp_path / "duet.mp4"), None, ("dance", "bob"), job.number, "model2.safetensors")
    assert run(store, again) == 0
    again = store.get(again.number).with_dancer("ann", people=2, model=f"{job.number}/model.safetensors")
    assert [each.stem for each in again.dancers] == ["target", "target2"]
    assert run(store, store.save(again)) == 0
    assert run(store, store.update(again, step="video")) == 0
    assert probe(store.folder(again.number) / "result.mp4").num_frames == 30
    assert not (store.folder(again.number) / "model2.safetensors").exists(), "nothing was learned"
    (folder / "model2.safetensors").write_bytes((folder / "model.safetensors").read_bytes())  # bob leaves, ann takes his place
    assert run(store, store.update(again, step="video")) == 2
    assert "the model of “bob” was made anew" in store.read(again.number, "outcome.json")["error"]
    stolen = store.update(again, owner="eve", step="check")
    assert run(store, stolen) == 2
    assert "no such model" in store.read(stolen.number, "outcome.json")["error"]

    (folder / job.others[0].video).write_bytes(b"no video at all")
    assert run(store, store.update(job, step="check")) == 2
    assert store.read(job.number, "outcome.json")["error"].startswith("the video “bob”")


def test_nothing_is_trained_without_consent(store: JobStore, tmp_path: Path) -> None:
    job = store.add("", *drawn_videos(tmp_path), ("dance", "me"))
    assert run(store, job) == 0
    assert run(store, store.update(job, step="video", settings=Settings(budget="4images"))) == 2
    assert "consent" in store.read(job.number, "outcome.json")["error"]


def test_a_broken_video_is_one_sentence_without_paths(store: JobStore, tmp_path: Path) -> None:
    source, target = drawn_videos(tmp_path)
    source.write_bytes(b"no video at all")
    job = store.add("", source, target, ("dance", "me"))
    assert run(store, job) == 2
    error = store.read(job.number, "outcome.json")["error"]
    assert error.startswith("the video of the dance")
    assert str(tmp_path) not in error
    assert "\n" not in error


def test_a_video_that_is_too_long_is_refused_before_the_detection(store: JobStore, tmp_path: Path) -> None:
    job = store.add("", *drawn_videos(tmp_path), ("dance", "me"))
    assert run_job(store.folder(job.number), CancelToken(), max_seconds=2) == 2
    assert "the video of the person is 0.0 minutes long" in store.read(job.number, "outcome.json")["error"]


def test_expected_minutes_grow_with_budget_and_length(tmp_path: Path) -> None:
    speeds = machine_speeds(tmp_path / "absent.json")
    short, long = (expected_seconds(frames, "2m", "draft", speeds) for frames in (100, 1000))
    assert 120 < short < long
    assert expected_seconds(100, "4m", "draft", speeds) == pytest.approx(short + 120)
    (tmp_path / "speeds.json").write_text(json.dumps({"generating draft": 2.0}))
    assert expected_seconds(100, "2m", "draft", machine_speeds(tmp_path / "speeds.json")) > short + 150
