"""Damaged containers are read, or refused in one sentence."""

import random
from pathlib import Path

import pytest

from dancenow.research.robustness.fuzz import DAMAGES, read_everything, write_clip


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov", "avi", "gif", "mkv"])
def test_a_damaged_file_ends_in_frames_or_one_sentence(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    path = tmp_path / f"sound.{suffix}"
    write_clip(path)
    assert read_everything(path, accept_damaged=False) == "20 frames"
    data = bytearray(path.read_bytes())
    DAMAGES[0](data, random.Random(suffix))
    path = path.with_stem("damaged")
    path.write_bytes(data)
    end = read_everything(path, accept_damaged=True)
    assert end.endswith(" frames") or end.startswith("refused: ")
    assert "\n" not in end
