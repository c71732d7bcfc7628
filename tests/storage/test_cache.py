"""The cache: keys, entries in use, listing, pruning, and the limit on its size."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dancenow.cli import main as cli
from dancenow.errors import Cancelled, OptionError, UserError
from dancenow.execution import Execution
from dancenow.progress import Progress
from dancenow.storage import cache_pruning as pruning
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result, only_writer

MODULES = ["dancenow.pose.track_io"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(pruning.LIMIT_VARIABLE, raising=False)
    return tmp_path / "cache"


def put(stage: str, name: str, size: int = 1000, age_s: float = 0.0, suffix: str = ".npz") -> CacheEntry:
    """An entry of a file, last used some time ago."""
    entry = CacheEntry(stage, name)
    path = entry.path(suffix)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age_s,) * 2)
    return entry


def test_a_key_is_stable_and_depends_on_everything_that_decides_the_result() -> None:
    key = cache_key("tracks", inputs=["a", "b"], parameters={"person": 1, "every": 2}, modules=MODULES)
    assert key == cache_key("tracks", inputs=["a", "b"], parameters={"every": 2, "person": 1}, modules=MODULES)
    others = [
        cache_key("faces", inputs=["a", "b"], parameters={"person": 1, "every": 2}, modules=MODULES),
        cache_key("tracks", inputs=["b", "a"], parameters={"person": 1, "every": 2}, modules=MODULES),
        cache_key("tracks", inputs=["a", "b"], parameters={"person": None, "every": 2}, modules=MODULES),
        cache_key("tracks", inputs=["a", "b"], parameters={"person": 1, "every": 2}, modules=["dancenow.skeleton"]),
    ]
    assert len({key, *others}) == 5


def test_a_key_follows_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key("tracks", modules=MODULES)
    monkeypatch.setattr("dancenow.storage.cache.code_digest", lambda *_modules, **_options: "other code")
    assert cache_key("tracks", modules=MODULES) != before


def test_an_entry_is_all_files_of_its_name() -> None:
    entry = cache_entry("models", "0" * 32, "draft-1.5h")
    assert entry.path(".safetensors").name == f"draft-1_5h-{'0' * 32}.safetensors"
    for suffix in (".safetensors", ".resume.safetensors", ".preview.png"):
        entry.path(suffix).write_text("x")
    put("models", f"{entry.name}0")
    assert len(entry.files()) == 3
    assert entry.remove()
    assert entry.files() == []
    assert len(pruning.list_entries(["models"])) == 1


def test_an_entry_in_use_is_not_removed_by_another_thread_or_process() -> None:
    entry = put("models", "a" * 32)
    command = "from dancenow.storage import cache_pruning as p; print(len(p.prune(p.list_entries())))"

    def prune_in_another_process() -> str:
        return subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()

    with entry.in_use(), entry.in_use():
        assert not entry.remove()
        assert prune_in_another_process() == "0"
    assert prune_in_another_process() == "1"
    assert entry.files() == []


def test_using_an_entry_makes_it_the_last_to_go() -> None:
    old, older = put("tracks", "a" * 32, age_s=10_000), put("tracks", "b" * 32, age_s=20_000)
    with older.in_use():
        pass
    assert [each.entry for each in pruning.list_entries()] == [old, older]


def test_using_a_downloaded_network_makes_it_the_last_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"the network"
    entry = pretrained.Weights("fake", "1", "fake/net.bin", hashlib.sha256(content).hexdigest(), len(content), "CC0-1.0")
    monkeypatch.setattr(pretrained, "TABLE", {"net": entry})
    path = put("weights", "net", age_s=20_000, suffix=".bin").path(".bin")
    path.write_bytes(content)
    os.utime(path, (time.time() - 20_000,) * 2)
    put("tracks", "a" * 32, age_s=10_000)
    assert pretrained.path("net") == path
    assert [each.entry.stage for each in pruning.list_entries()] == ["tracks", "weights"]


def test_many_threads_lock_and_remove_one_entry() -> None:
    entry, errors = put("tracks", "a" * 32), list[BaseException]()

    def work() -> None:
        try:
            for _ in range(30):
                with entry.in_use():
                    entry.path(".npz").touch()
                    assert entry.path(".npz").exists()
                entry.remove()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_least_recently_used_goes_first_and_what_was_just_used_stays() -> None:
    put("tracks", "a" * 32, 1000, age_s=9000)
    newer, recent = put("models", "b" * 32, 1000, age_s=8000), put("subjects", "c" * 32, 1000, age_s=60)
    assert len(pruning.prune_to(2000, pruning.list_entries())) == 1
    assert {each.entry for each in pruning.list_entries()} == {newer, recent}
    pruning.prune_to(0, pruning.list_entries())
    assert [each.entry for each in pruning.list_entries()] == [recent]


def test_the_limit_is_kept_after_a_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put("tracks", "a" * 32, 3000, age_s=9000)
    kept = put("tracks", "b" * 32, 1000, age_s=8000)
    monkeypatch.setenv(pruning.LIMIT_VARIABLE, "2 kB")
    cli.main(["cache"])
    assert "of 2 kB" in capsys.readouterr().out
    assert [each.entry for each in pruning.list_entries()] == [kept]
    monkeypatch.setenv(pruning.LIMIT_VARIABLE, "plenty")
    with pytest.raises(SystemExit):
        cli.main(["cache"])
    assert "'plenty' is not a size" in capsys.readouterr().err


def test_only_known_folders_are_touched_and_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    put("tracks", "a" * 32)
    (folder / "holiday").mkdir()
    (folder / "holiday" / "photo.jpg").write_text("mine")
    (folder / "tracks" / "link").symlink_to(outside)
    (folder / "weights").symlink_to(outside, target_is_directory=True)
    cli.main(["cache", "prune", "--all"])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if ".locks" not in str(path)) == [
        "cache/holiday/photo.jpg", "outside/mine.txt",
    ]  # fmt: skip
    assert not (folder / "tracks" / "link").exists()


def test_what_a_killed_process_left_is_removed_after_a_day(folder: Path) -> None:
    put("tracks", "a" * 32)
    for name, age_s in ((".old-x1", 2 * 86400), (".new-x2", 60)):
        (folder / "tracks" / name).mkdir()
        os.utime(folder / "tracks" / name, (time.time() - age_s,) * 2)
    pruning.list_entries()
    assert sorted(path.name for path in (folder / "tracks").iterdir()) == [".new-x2", f"{'a' * 32}.npz"]


def test_the_command_lists_sizes_and_prunes(capsys: pytest.CaptureFixture[str]) -> None:
    put("tracks", "a" * 32, 2000, age_s=3 * 86400)
    put("bench/cells", "b" * 32, 1000, age_s=7200)
    cli.main(["cache"])
    listed = capsys.readouterr().out
    assert "3 kB" in listed
    assert [line.split()[:4] for line in listed.splitlines()[2:]] == [["tracks", "1", "2", "kB"], ["bench", "1", "1", "kB"]]
    cli.main(["cache", "size", "--stage", "bench"])
    assert capsys.readouterr().out == "1 kB\n"
    cli.main(["cache", "prune", "--older-than", "1d"])
    assert capsys.readouterr().out == "1 entry removed, 2 kB freed\n"
    cli.main(["cache", "prune", "--to", "1MB"])
    assert capsys.readouterr().out.startswith("0 entries removed")
    cli.main(["cache", "prune", "--all"])
    assert pruning.list_entries() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prune"], "say what to prune"),
        (["list", "--all"], "belong to"),
        (["prune", "--all", "--to", "1GB"], "leave out"),
        (["prune", "--older-than", "soon"], "not an age"),
        (["prune", "--to", "small"], "not a size"),
        (["--stage", "attic"], "no cache stage 'attic'"),
    ],
)
def test_bad_options_are_one_sentence(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["cache", *words])
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_sizes_are_read_and_written() -> None:
    assert [pruning.parse_size(text) for text in ("20GB", "1.5 k", "7")] == [20 * 10**9, 1500, 7]
    assert [pruning.format_size(count) for count in (0, 999, 1500, 20 * 10**9)] == ["0 B", "999 B", "1.5 kB", "20 GB"]
    with pytest.raises(OptionError):
        pruning.parse_size("-1GB")


def keep(entry: CacheEntry, made: list[int], text: str = "result") -> str:
    """A cached text; `made` counts how often it was made."""

    def load() -> str | None:
        return entry.path(".txt").read_text() if entry.path(".txt").exists() else None

    def make() -> str:
        made.append(1)
        time.sleep(0.05)
        entry.path(".txt").write_text(text)
        return text

    return cached_result(entry, load, make, sealed=(".txt",))


def test_what_two_want_at_once_is_made_once() -> None:
    entry, made, got = CacheEntry("tracks", "a" * 32), list[int](), list[str]()
    threads = [threading.Thread(target=lambda: got.append(keep(entry, made))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["result"] * 3
    assert len(made) == 1
    assert [path.suffix for path in entry.files()] == [".sha256", ".txt"]


def test_who_waits_for_another_can_be_cancelled() -> None:
    entry, execution = CacheEntry("tracks", "a" * 32), Execution.auto("cpu")

    def cancel(event: Progress) -> None:
        assert event.stage == "waiting for another dancenow"
        execution.cancel.cancel()

    with entry.alone(), pytest.raises(Cancelled), entry.alone(execution.reporting(cancel)):
        pytest.fail("it should have waited")
    with entry.alone():
        pass
    assert not list(cache_dir(".locks").iterdir())


@pytest.mark.parametrize("suffix", [".txt", ".sha256"])
@pytest.mark.parametrize("damage", [b"resulT", b"", b"{}x", b"[1]", b"\xff"])
def test_a_damaged_result_is_made_again(suffix: str, damage: bytes) -> None:
    entry, made = CacheEntry("tracks", "a" * 32), list[int]()
    assert keep(entry, made) == "result"
    assert keep(entry, made) == "result"
    assert len(made) == 1
    entry.path(suffix).write_bytes(damage)
    assert keep(entry, made) == "result"
    assert len(made) == 2
    entry.path(".txt").unlink()
    assert keep(entry, made) == "result"
    assert len(made) == 3


def test_a_cache_that_cannot_be_used_is_one_sentence() -> None:
    entry = CacheEntry("tracks", "a" * 32)
    entry.lock_path().mkdir()
    with pytest.raises(UserError, match="set DANCENOW_CACHE"), entry.in_use():
        pass


def test_one_file_is_not_worked_on_twice(tmp_path: Path) -> None:
    with only_writer(tmp_path / "model.safetensors"):
        with pytest.raises(UserError, match="another dancenow is at work on"), only_writer(tmp_path / "model.safetensors"):
            pass
        with only_writer(tmp_path / "other.safetensors"):
            pass
    with only_writer(tmp_path / "model.safetensors"):
        pass
