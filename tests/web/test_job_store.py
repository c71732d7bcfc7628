"""Jobs on disk: nothing that a user sends becomes part of a path, and each user has their own jobs alone."""

from pathlib import Path
from typing import Any

import pytest

from dancenow.errors import InputError, OptionError
from dancenow.web.job import Job, Settings, label_of
from dancenow.web.job_store import JobStore


def upload(folder: Path, name: str = "clip.mp4") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(b"a video")
    return path


def add(store: JobStore, folder: Path, owner: str = "ann", labels: tuple[str, str] = ("dance.mp4", "me.mp4")) -> Job:
    return store.add(owner, upload(folder, "one.mp4"), upload(folder, "two.MOV"), labels)


def test_a_job_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    job = add(store, tmp_path / "up")
    assert store.get(job.number) == job
    changed = store.update(job, state="paused", settings=Settings(budget="4m", source_person=2))
    assert store.get(job.number, "ann") == changed
    assert [each.number for each in store.all("ann")] == [job.number]
    assert sorted(path.name for path in store.folder(job.number).iterdir()) == ["job.json", "source.mp4", "target.mov"]
    assert list((tmp_path / "up").iterdir()) == [], "uploads are moved"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", "<img src=x onerror=alert(1)>.mp4", "a" * 500 + ".mp4", "\x00\x1b[31m.mp4"]
)
def test_file_names_of_users_become_no_paths(tmp_path: Path, name: str) -> None:
    store = JobStore(tmp_path / "data")
    job = add(store, tmp_path / "up", labels=(name, name))
    assert {path.name for path in store.folder(job.number).iterdir()} == {"job.json", "source.mp4", "target.mov"}
    assert len(job.source_label) <= 80
    assert not set(job.source_label) & set("/\\\x00\x1b")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "up"}


def test_a_strange_ending_is_not_kept(tmp_path: Path) -> None:
    job = JobStore(tmp_path).add("", upload(tmp_path, "page.html"), None, ("page.html", "me"))
    assert job.source == "source.video"


def test_labels_are_names_without_endings() -> None:
    assert label_of("holiday 2026.mp4") == "holiday 2026"
    assert label_of(".mp4") == "video"
    assert label_of("Dr. No") == "Dr. No"


def test_nobody_reaches_the_jobs_of_others(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    job = add(store, tmp_path / "up")
    assert store.file(job.number, "source.mp4", "ann").read_bytes() == b"a video"
    assert store.all("bob") == []
    for attempt in (
        lambda: store.get(job.number, "bob"),
        lambda: store.file(job.number, "source.mp4", "bob"),
        lambda: store.remove(job.number, "bob"),
    ):
        with pytest.raises(InputError, match="there is no such job"):
            attempt()


def test_only_public_files_of_a_job_can_be_fetched(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    job = store.update(add(store, tmp_path / "up"), state="waiting")
    folder = store.folder(job.number)
    (folder / "result.mp4").symlink_to(folder / "job.json")
    (folder / "log.txt").write_text("secret")
    absolute = str(folder / "source.mp4")
    names = ["job.json", "log.txt", "../job.json", "..%2fjob.json", absolute, "result.mp4", "", ".", "..", "preview.png"]
    for name in names:
        with pytest.raises(InputError):
            store.file(job.number, name, "ann")
    for number in ("..", "../jobs", "", "a" * 32, job.number + "/..", job.number.upper() + "\n"):
        with pytest.raises(InputError):
            store.file(number, "source.mp4", "ann")


def test_a_removed_job_leaves_nothing(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    job = add(store, tmp_path / "up")
    with pytest.raises(InputError, match="cancel it first"):
        store.remove(job.number, "ann")
    store.update(job, state="done")
    store.remove(job.number, "ann")
    assert list((tmp_path / "data" / "jobs").iterdir()) == []


def test_damaged_records_are_left_out(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "data")
    job, other = add(store, tmp_path / "up"), add(store, tmp_path / "up")
    for damage in ("{", "[]", '{"number": 1}', '{"settings": 3}'):
        (store.folder(job.number) / "job.json").write_text(damage)
        assert [each.number for each in store.all()] == [other.number]


@pytest.mark.parametrize(
    "scene", ["/etc/passwd", "../other/source.mp4", "source.mp4", "scene.png/../../x", "white", "#20a04", "scene.jpg\n", ""]
)
def test_a_scene_is_never_the_name_of_a_file_elsewhere(scene: str) -> None:
    with pytest.raises(OptionError, match="no scene"):
        Settings(scene=scene)


@pytest.mark.parametrize("wrong", [{"preset": "paper"}, {"budget": "forever"}, {"source_person": 0}, {"target_person": 999}])
def test_settings_are_what_the_page_offers(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        Settings(**wrong)
