"""The soundtrack: its beats coincide with the steps."""

import wave
from pathlib import Path

import numpy as np

from dancenow.research.studio.soundtrack import RATE_HZ, soundtrack, write_soundtrack


def test_kicks_fall_on_the_beat() -> None:
    samples = soundtrack(bpm=120, seconds=6.0)
    energy = samples**2
    on, before = [], []
    for beat in range(1, 11):
        start = beat * RATE_HZ // 2
        on.append(energy[start : start + RATE_HZ // 20].mean())
        before.append(energy[start - RATE_HZ // 20 : start].mean())
    assert np.min(np.array(on) / np.array(before)) > 2
    assert np.abs(samples).max() <= 1


def test_it_has_the_requested_length_and_is_repeatable(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write_soundtrack(tmp_path / name, bpm=96, seconds=2.5)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() / file.getframerate() == 2.5
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
