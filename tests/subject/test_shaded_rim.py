"""A wall that was seen in the person's shadow alone counts as unseen; a dark thing on the wall does not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.subject.background.shaded_rim import shaded_rim
from dancenow.subject.background.shadow_removal import FullLight

HEIGHT, WIDTH = 480, 320
NEVER = np.zeros((HEIGHT, WIDTH), bool)
NEVER[120:300, 120:200] = True


def samples(*, is_shadow: bool, grain: float = 0.0) -> tuple[NDArray[np.uint8], FullLight]:
    """Dark samples and the bright ones of a wall with a dark place below the hole, around which a shadow comes and goes."""
    rng = np.random.default_rng(0)
    bright = np.full((HEIGHT, WIDTH, 3), 170.0)
    bright[300:312, 125:195] = 105
    dark = bright.copy()
    if is_shadow:
        dark[300:380, 110:210] = 105
    noise = grain * rng.normal(size=(HEIGHT, WIDTH, 1))
    shown, shaded = (np.clip(np.rint(each + noise), 0, 255).astype(np.uint8) for each in (bright, dark))
    return shaded, FullLight(shown, ~NEVER, np.zeros_like(NEVER))


def test_a_stain_beside_what_was_never_seen_is_found() -> None:
    rim = shaded_rim(*samples(is_shadow=True), NEVER)
    assert rim[301:310, 130:190].all()
    assert rim.sum() < 1.6 * 12 * 70, "not the lit wall around it"
    assert not rim[NEVER].any()


@pytest.mark.parametrize("case", ["nothing changes", "far from the hole", "grainy", "all seen"])
def test_what_is_dark_for_another_reason_stays(case: str) -> None:
    never = {"far from the hole": np.roll(NEVER, -116, axis=0), "all seen": np.zeros_like(NEVER)}.get(case, NEVER)
    dark, light = samples(is_shadow=case != "nothing changes", grain=30.0 if case == "grainy" else 0.0)
    assert not shaded_rim(dark, light, never).any()
