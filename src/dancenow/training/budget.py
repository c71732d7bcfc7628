"""The budget of a training: minutes, or images seen. Every schedule is a function of the progress through it."""

import math
import re
from dataclasses import dataclass
from typing import Final

from dancenow.errors import OptionError

UNIT_S: Final = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
LONGEST_S: Final = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Budget:
    """Exactly one of seconds of training and images seen."""

    seconds: float | None = None
    images: int | None = None

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.images is None):
            raise ValueError("a budget is either seconds or images")
        amount = self.images if self.seconds is None else self.seconds
        if not (amount and math.isfinite(amount) and amount > 0):
            raise ValueError(f"a budget must be positive, got {amount}")

    @staticmethod
    def parse(text: str) -> "Budget":
        """Read `90s`, `4m`, `1.5h` or `20000 images`.

        Raises:
            UserError: anything else, zero, or more than 30 days.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
        if match:
            amount, unit = float(match[1]), match[2]
            if unit in UNIT_S and 1.0 <= amount * UNIT_S[unit] <= LONGEST_S:
                return Budget(seconds=amount * UNIT_S[unit])
            if unit in ("image", "images", "img") and amount.is_integer() and 1 <= amount <= 1e10:
                return Budget(images=int(amount))
        raise OptionError(f"a budget of {text!r} makes no sense; say for example 90s, 4m, 1.5h or 20000images.")

    def spent(self, seconds: float, images: int) -> float:
        """The progress through the budget: 0 at the start, 1 at the end."""
        return min(1.0, seconds / self.seconds if self.seconds is not None else images / (self.images or 1))

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.images} images"
        return f"{self.seconds / 60:g}m" if self.seconds >= 60 else f"{self.seconds:g}s"
