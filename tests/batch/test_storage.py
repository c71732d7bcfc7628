"""Storages of results: contract of a folder and of a storage in memory, which stands for those of other machines."""

from pathlib import Path
from uuid import uuid4

import pytest

from dancenow.batch.shared_cache import download_entries, upload_entries
from dancenow.batch.storage import ResultStorage
from dancenow.errors import InputError, OptionError, OutputError, UserError
from dancenow.storage.cache import CacheEntry, entries_used


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStorage:
    return ResultStorage(str(tmp_path / "storage") if request.param == "folder" else f"memory://{uuid4().hex}")


def test_what_was_put_can_be_fetched(storage: ResultStorage, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert storage.size("videos/x.mp4") is None
    assert storage.names("videos") == frozenset()
    storage.put(tmp_path / "a", "videos/x.mp4")
    storage.put(tmp_path / "a", "videos/x.mp4")
    storage.fetch("videos/x.mp4", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"12345"
    assert storage.size("videos/x.mp4") == 5
    assert storage.names("videos") == {"x.mp4"}
    assert (storage.bytes_read, storage.bytes_written) == (5, 10)
    storage.put_json({"frames": 3}, "videos/x.json", tmp_path)
    assert storage.read_json("videos/x.json") == {"frames": 3}
    storage.remove("videos/x.mp4")
    storage.remove("videos/x.mp4")
    assert storage.size("videos/x.mp4") is None


def test_what_is_missing_is_one_sentence_and_leaves_no_file(storage: ResultStorage, tmp_path: Path) -> None:
    assert storage.read_json("videos/x.json") is None
    with pytest.raises(InputError, match=r"videos/x\.mp4 is missing in the storage"):
        storage.fetch("videos/x.mp4", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir() if path.name != "storage"] == []


def test_storages_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be used"):
        ResultStorage("nonsense://place")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        ResultStorage(str(tmp_path / "file")).put(tmp_path / "file", "videos/x.mp4")


def test_a_cache_is_given_to_another_machine(storage: ResultStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "one"))
    subject, model = CacheEntry("subjects", "abc"), CacheEntry("models", "draft-1")
    with entries_used() as used, subject.in_use(), model.in_use():
        subject.path().mkdir()
        (subject.path() / "track.npz").write_text("poses")
        model.path(".safetensors").write_text("weights")
        model.path(".sha256").write_text("seal")
    assert used == {subject, model}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    upload_entries(used, storage, "cache/key.tar", scratch)
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "two"))
    for _ in range(2):
        download_entries(storage, "cache/key.tar", scratch)
        assert (subject.path() / "track.npz").read_text() == "poses"
        assert sorted(path.suffix for path in model.files()) == [".safetensors", ".sha256"]
    (scratch / "bad").write_bytes(b"no archive")
    storage.put(scratch / "bad", "cache/bad.tar")
    with pytest.raises(UserError, match="is damaged"):
        download_entries(storage, "cache/bad.tar", scratch)
