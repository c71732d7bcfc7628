"""When a person looks synthesized: probabilities over time, and the parts of a video that stand out."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.provenance.forensics.classifier import Calibration

WINDOW_S: Final = 2.0
"""Samples within this time are averaged: single ones are noisy."""
STANDS_OUT: Final = 0.9
"""Probability from which a part stands out as synthesized; below its complement, as real."""
MIN_PART_S: Final = 1.0
"""Shorter parts are not told."""

Part = tuple[float, float]
"""Start and end in seconds."""


def smooth_in_time(
    scores: NDArray[Any], times_s: NDArray[np.float64], calibration: Calibration
) -> tuple[tuple[float, float], ...]:
    """Time in seconds and probability of each sample, from the mean logit of the samples around it."""
    near = np.abs(times_s[:, None] - times_s) <= WINDOW_S / 2
    means = (near * scores).sum(axis=1) / near.sum(axis=1)
    return tuple((float(time_s), calibration.probability(float(mean))) for time_s, mean in zip(times_s, means, strict=True))


def parts_where(timeline: tuple[tuple[float, float], ...], synthesized: bool) -> tuple[Part, ...]:
    """The parts of a video, at least `MIN_PART_S` long, in which a person stands out as synthesized, or else as real."""
    parts: list[Part] = []
    start_s = end_s = None
    for time_s, probability in [*timeline, (np.inf, 0.5)]:
        stands_out = probability > STANDS_OUT if synthesized else probability < 1 - STANDS_OUT
        continues = end_s is not None and time_s - end_s <= WINDOW_S
        if start_s is not None and end_s is not None and not (stands_out and continues):
            if end_s - start_s >= MIN_PART_S:
                parts.append((start_s, end_s))
            start_s = end_s = None
        if stands_out:
            start_s, end_s = (time_s if start_s is None else start_s), time_s
    return tuple(parts)


def in_words(parts: tuple[Part, ...]) -> str:
    """Parts in words: from 1.0 to 2.5 s and from 4.0 to 6.0 s."""
    return " and ".join(f"from {start_s:.1f} to {end_s:.1f} s" for start_s, end_s in parts)
