"""Synthesize a soundtrack at the tempo of a dance: kick, clap, hat, bass and chords, in numpy, as a 16-bit WAV.

Four chords repeat, one per bar of four beats, so that eight-beat phrases coincide with two bars.
"""

import wave
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE_HZ: Final = 44100
_CHORDS: Final = ((57, 60, 64, 67), (53, 57, 60, 64), (48, 55, 60, 64), (55, 59, 62, 65))  # Am7 F C G, MIDI numbers
_RIFF: Final = (0, 2, 1, 3, 2, 1, 3, 2)


def _pitch_hz(note: float) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _kick(time: Array) -> Array:
    return np.asarray(np.sin(2 * np.pi * (48 * time + 7 * (1 - np.exp(-time * 28)))) * np.exp(-time * 9))


def _noise(time: Array, decay: float, seed: int) -> Array:
    white = np.random.default_rng(seed).normal(size=len(time))
    return np.asarray(np.diff(white, prepend=0) * np.exp(-time * decay))


def _tone(time: Array, hz: float, decay: float, overtones: int) -> Array:
    partials = sum(np.sin(2 * np.pi * hz * k * time) / k**1.6 for k in range(1, overtones + 1))
    return np.asarray(partials * np.exp(-time * decay) * np.minimum(time / 0.006, 1))


def soundtrack(bpm: float, seconds: float, seed: int = 0) -> Array:
    """Return mono samples in [-1,1], `seconds` long, starting on the first beat."""
    beat_s = 60 / bpm
    mix = np.zeros(int(seconds * RATE_HZ))

    def play(at_s: float, sound: Array, gain: float) -> None:
        start = int(at_s * RATE_HZ)
        length = min(len(sound), len(mix) - start)
        if length > 0:
            mix[start : start + length] += gain * sound[:length]

    short, long = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ, np.arange(int(4 * beat_s * RATE_HZ)) / RATE_HZ
    kick, hat, clap = _kick(short), _noise(short, 60, seed), _noise(short, 22, seed + 1)
    for step in range(int(seconds / beat_s * 2) + 1):
        at_s, beat = step * beat_s / 2, step // 2
        chord = _CHORDS[beat // 4 % len(_CHORDS)]
        if step % 2 == 0:
            play(at_s, kick, 0.55)
            if beat % 2 == 1:
                play(at_s, clap, 0.10)
            if beat % 4 == 0:
                for note in chord:
                    play(at_s, _tone(long, _pitch_hz(note), 0.9, 4), 0.045)
        play(at_s, hat, 0.035 if step % 2 else 0.02)
        play(at_s, _tone(short, _pitch_hz(chord[0] - 24 + (12 if step % 4 == 3 else 0)), 5, 3), 0.20)
        if beat >= 8:
            play(at_s, _tone(short, _pitch_hz(chord[_RIFF[step % 8]] + 12), 9, 2), 0.06)
    fade = np.minimum(1, (len(mix) - np.arange(len(mix))) / (0.5 * RATE_HZ))
    return np.asarray(np.tanh(mix * fade))


def write_soundtrack(path: Path, bpm: float, seconds: float, seed: int = 0) -> None:
    """Write `soundtrack` as a 16-bit mono WAV."""
    samples = (soundtrack(bpm, seconds, seed) * 32000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
