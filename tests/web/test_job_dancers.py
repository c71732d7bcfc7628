"""Several dancers in a job: who gets which part, whose consent is needed, what old records hold, and what is refused."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dancenow.errors import ConsentError, InputError, OptionError
from dancenow.progress import Progress
from dancenow.web.actions import Actions, Choices
from dancenow.web.consent_choices import ConsentChoices
from dancenow.web.job import Job, Settings
from dancenow.web.job_dancers import Dancer, parts_with_another, parts_without
from dancenow.web.job_progress import ProgressRecord
from dancenow.web.job_queue import JobQueue
from dancenow.web.job_store import JobStore, write_json
from dancenow.web.views import check_view

AGREED, NOTHING = ConsentChoices("self", "", "", None, True), ConsentChoices(None, "", "", None, False)
FACTS = {"seconds": 2.0, "frames": 48, "width_px": 64, "height_px": 64, "people": 1}


@pytest.fixture
def actions(tmp_path: Path) -> Iterator[Actions]:
    """Actions on jobs that wait for their turn, behind one that runs."""
    store = JobStore(tmp_path / "data")
    store.uploads.mkdir(parents=True)
    queue = JobQueue(store, (sys.executable, "-S", "-c", "import sys; sys.stdin.read(); sys.exit(3)"))
    store.add("", Path(upload(store, "first.mp4")), None, ("first", "x"))
    yield Actions(store, queue)
    queue.close()


def upload(store: JobStore, name: str) -> str:
    path = store.uploads / name
    path.write_bytes(b"x")
    return str(path)


def checked(actions: Actions, job: Job | None = None, people: int = 3) -> Job:
    """A job whose check has found people; all videos of a given job."""
    store = actions.store
    job = job or store.add("me", Path(upload(store, "a.mp4")), Path(upload(store, "b.mp4")), ("dance", "ann"))
    others = {each.stem: FACTS for each in job.others}
    check = {"source": FACTS | {"people": people}, "target": FACTS, "others": others}
    write_json(store.folder(job.number) / "check.json", check)
    return store.update(job, state="waiting")


def together(actions: Actions) -> Job:
    """A checked job of two dancers."""
    job = checked(actions)
    return checked(actions, actions.add_dancer("me", job.number, upload(actions.store, "bob.mp4")))


def filled(parts: tuple[int, ...], *consents: ConsentChoices) -> Choices:
    given = (*consents, *[NOTHING] * (4 - len(consents)))
    return Choices(4.0, "draft", "target", "#ffffff", None, 0, parts + (0,) * (6 - len(parts)), (0, 2, 0, 0), given)


def test_one_more_dancer_gets_the_first_person_whom_nobody_dances(actions: Actions) -> None:
    job = together(actions)
    assert job.settings.parts == (1, 2, 0)
    assert job.title == "ann and bob dance dance"
    assert [each.video for each in job.dancers] == ["target.mp4", "target2.mp4"]
    assert actions.store.get(job.number) == job
    assert parts_with_another((), 1, 3, first=2) == (2, 1, 0)
    assert parts_without((2, 0, 1, 3), 2) == (0, 0, 1, 2)


def test_everyone_who_dances_must_agree_and_nobody_else(actions: Actions) -> None:
    job = together(actions)
    with pytest.raises(ConsentError, match="“bob”: say who is in the video"):
        actions.start("me", job.number, filled((1, 2, 0), AGREED))
    with pytest.raises(ConsentError, match="“bob”: tick the box"):
        actions.start("me", job.number, filled((1, 2, 0), AGREED, replace(AGREED, agreed=False)))
    with pytest.raises(OptionError, match="nobody dances"):
        actions.start("me", job.number, filled((0, 0, 0), AGREED, AGREED))
    for wrong in ((1, 3, 0), (1, -1, 0), (1, 99, 0)):
        with pytest.raises(OptionError, match="no such dancer"):
            actions.start("me", job.number, filled(wrong, AGREED, AGREED))
    assert actions.store.get(job.number).state == "waiting"
    started = actions.start("me", job.number, filled((2, 0, 2), NOTHING, AGREED))
    assert {number: each.label for number, each in started.cast.items()} == {1: "bob", 3: "bob"}
    assert started.consent is None
    assert (started.others[0].consent or {})["kind"] == "self"
    assert started.others[0].person == 2
    assert actions.store.get(job.number) == started


def test_the_queue_itself_refuses_a_dancer_without_consent_or_check(actions: Actions) -> None:
    job = together(actions)
    settings = Settings(parts=(0, 2))
    with pytest.raises(ConsentError):
        actions.queue.start_video(job.number, "me", settings, None, job.others)
    with pytest.raises(InputError, match="have changed"):
        actions.queue.start_video(job.number, "me", settings, None, ())
    check = actions.store.read(job.number, "check.json")
    write_json(actions.store.folder(job.number) / "check.json", check | {"others": {}})
    with pytest.raises(InputError, match="not checked"):
        actions.start("me", job.number, filled((1, 2), AGREED, AGREED))


def test_a_check_takes_all_consents_back(actions: Actions) -> None:
    job = together(actions)
    actions.start("me", job.number, filled((1, 2), AGREED, AGREED))
    actions.queue.stop(job.number, "me", "cancelled")
    again = actions.check_again("me", job.number, filled((2, 1)))
    assert (again.consent, again.others[0].consent, again.settings.parts) == (None, None, (2, 1, 0))


def test_a_dancer_who_is_taken_out_leaves_nothing(actions: Actions) -> None:
    job = together(actions)
    folder = actions.store.folder(job.number)
    for name in ("target2_pose.jpg", "model2.safetensors", "target_pose.jpg"):
        (folder / name).write_bytes(b"x")
    for wrong in (0, 1, 3):
        with pytest.raises(InputError, match="no such dancer"):
            actions.queue.remove_dancer(job.number, "me", wrong)
    alone = actions.queue.remove_dancer(job.number, "me", 2)
    assert (alone.settings.parts, alone.settings.source_person, alone.others) == ((), 1, ())
    assert sorted(path.name for path in folder.iterdir()) == [
        "check.json", "job.json", "source.mp4", "target.mp4", "target_pose.jpg"
    ]  # fmt: skip
    assert actions.store.read(job.number, "check.json")["others"] == {}


def test_the_names_of_those_who_stay_do_not_change(actions: Actions) -> None:
    job = together(actions)
    job = checked(actions, actions.add_dancer("me", job.number, upload(actions.store, "cy.mov")))
    job = checked(actions, actions.queue.remove_dancer(job.number, "me", 2))
    assert [(each.label, each.video, each.model_name) for each in job.others] == [("cy", "target3.mov", "model3.safetensors")]
    assert job.settings.parts == (1, 0, 2)
    job = actions.add_dancer("me", job.number, upload(actions.store, "di.mp4"))
    assert [each.video for each in job.dancers] == ["target.mp4", "target3.mov", "target2.mp4"]
    assert job.settings.parts == (1, 3, 2)


def test_there_are_no_more_dancers_than_people_nor_than_four(actions: Actions) -> None:
    for people, dancers, reason in ((1, 1, "the dance shows 1 people"), (2, 2, "shows 2 people"), (9, 4, "up to 4")):
        job = checked(actions, people=people)
        for _ in range(dancers - 1):
            job = checked(actions, actions.add_dancer("me", job.number, upload(actions.store, "c.mp4")), people=people)
        video = upload(actions.store, "more.mp4")
        with pytest.raises(InputError, match=reason):
            actions.add_dancer("me", job.number, video)
        assert Path(video).exists(), "a refused upload stays where it is"
        assert len(job.settings.parts) == (0 if dancers == 1 else min(people, 6))


def test_only_uploads_become_dancers_of_ones_own_jobs(actions: Actions, tmp_path: Path) -> None:
    job, outside = checked(actions), tmp_path / "outside.mp4"
    outside.write_bytes(b"x")
    for path in (str(outside), "/etc/passwd", str(actions.store.uploads / "../jobs")):
        with pytest.raises(InputError, match="not uploaded"):
            actions.add_dancer("me", job.number, path)
    with pytest.raises(InputError, match="drop the video"):
        actions.add_dancer("me", job.number, None)
    with pytest.raises(InputError, match="no such job"):
        actions.add_dancer("eve", job.number, upload(actions.store, "c.mp4"))
    with pytest.raises(InputError, match="no such job"):
        actions.queue.remove_dancer(together(actions).number, "eve", 2)
    assert outside.exists()


def test_somebody_from_an_earlier_video_dances_along(actions: Actions) -> None:
    known, job = checked(actions), together(actions)
    (actions.store.folder(known.number) / "model.safetensors").write_bytes(b"x")
    actions.store.update(known, state="done")
    ((_, model),) = actions.people("me")
    job = checked(actions, actions.add_dancer("me", job.number, None, model))
    assert [(each.label, each.stem, each.model) for each in job.dancers] == [
        ("ann", "target", ""), ("bob", "target2", ""), ("ann", "target3", model)
    ]  # fmt: skip
    assert job.settings.parts == (1, 2, 3)
    assert Job.from_json(job.to_json()) == job
    with pytest.raises(ConsentError, match="“bob”"):
        actions.start("me", job.number, filled((0, 2, 3)))
    assert actions.people("me", but=known.number) == []
    others = tuple(replace(each, model=model.replace("model", "model2")) if each.model else each for each in job.others)
    with pytest.raises(InputError, match="have changed"):
        actions.queue.start_video(job.number, "me", Settings(parts=(0, 0, 3)), None, others)
    started = actions.start("me", job.number, filled((0, 0, 3)))
    assert started.others[1].consent is None, "it is in the model"
    for user, wrong in (("eve", model), ("me", "../job.json"), ("me", f"{known.number}/model2.safetensors")):
        dance, person = (Path(upload(actions.store, name)) for name in ("d.mp4", "p.mp4"))
        mine = checked(actions, actions.store.add(user, dance, person, ("d", "p")))
        with pytest.raises(InputError, match="no such"):
            actions.add_dancer(user, mine.number, None, wrong)


def test_a_record_of_an_older_version_still_opens() -> None:
    settings = {"budget": "4m", "preset": "draft", "scene": "target", "source_person": 2, "target_person": None}
    fields = {"number": "ab" * 16, "owner": "", "created_s": 1.0, "source": "source.mp4", "source_label": "dance",
              "target": "target.mp4", "target_label": "me", "model_of": "", "step": "video", "state": "done",
              "settings": settings, "consent": {"kind": "self"}, "queued_s": 2.0, "error": ""}  # fmt: skip
    job = Job.from_json(json.dumps(fields))
    assert job.dancers == (Dancer("target.mp4", "me", None, {"kind": "self"}),)
    assert (job.cast, job.title, job.model_name) == ({}, "me dances dance", "model.safetensors")
    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize(
    "wrong",
    [
        {"others": [{"video": "../x.mp4", "label": "x"}]},
        {"others": [{"video": "target5.mp4", "label": "x"}]},
        {"others": [{"video": "target2.mp4", "label": "x", "person": 0}]},
        {"others": [{"video": "target2.mp4"}]},
        {"others": [{"video": "", "label": "x", "model": "../model.safetensors", "file_number": 2}]},
        {"others": [{"video": "", "label": "x", "file_number": 9}]},
        {"others": [{"video": "target2.mp4", "label": "x", "model": f"{'ab' * 16}/model.safetensors"}]},
        {"others": 3},
        {"settings": {"parts": [2]}},
        {"settings": {"parts": [0, 0]}},
        {"settings": {"parts": [1] * 7}},
        {"settings": {"parts": "1"}},
        {"model_name": "../job.json"},
    ],
)
def test_a_damaged_record_is_refused(wrong: dict[str, Any]) -> None:
    fields = {"number": "ab" * 16, "owner": "", "created_s": 1, "source": "source.mp4", "source_label": "a", "settings": {}}
    with pytest.raises(InputError, match="damaged"):
        Job.from_json(json.dumps(fields | wrong))


def test_the_time_is_that_of_all_dancers_together(actions: Actions) -> None:
    job = together(actions)
    one, both = (actions.expected_s(job, actions.chosen(job, 10, "draft", parts)) for parts in ((1, 0, 0), (1, 2, 0)))
    twice = actions.expected_s(job, actions.chosen(job, 10, "draft", (1, 1, 0)))
    assert both > one + 600
    assert one < twice < one + 60, "one training dances two parts"


def test_the_progress_names_who_is_learned_and_counts_who_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.web.job_progress.WRITE_EVERY_S", 0.0)
    record = ProgressRecord(tmp_path, {"training": 120.0, "generating": 5.0}, tmp_path / "speeds.json", learned=("ann", "bob"))
    seen = []
    for done in (0.0, 0.5, 1.0, 0.0, 0.5):
        record(Progress("training", done, 1.0))
        progress = json.loads((tmp_path / "progress.json").read_text())
        seen.append((progress["who"], progress["left_s"]))
    assert seen == [("ann", 125.0), ("ann", 95.0), ("ann", 65.0), ("bob", 65.0), ("bob", 35.0)]


def test_the_check_shows_everyone_and_each_part(actions: Actions) -> None:
    job = together(actions)
    evil = "<script>"
    parts = [{"person": 1, "dancer": evil, "plot": "coverage1.png", "summary": "Covered.", "gaps": []},
             {"person": 2, "dancer": "bob", "plot": "", "summary": "Missing.", "gaps": []}]  # fmt: skip
    view = check_view(job, actions.store.read(job.number, "check.json") | {"parts": parts}, has_plot=False)
    assert "target2_pose.jpg" in view
    assert "choose below who becomes whom" in view
    assert "Person 2, danced by bob: which moves" in view
    assert view.count("Picture of the comparison") == 1
    assert "<script" not in view
