"""Budgets read as people write them; nonsense is refused."""

import pytest

from dancenow.errors import UserError
from dancenow.training.budget import Budget


@pytest.mark.parametrize(
    ("text", "seconds", "images"),
    [("90s", 90, None), ("4m", 240, None), ("1.5h", 5400, None), ("4 MIN", 240, None), ("20000images", None, 20000)],
)
def test_parse(text: str, seconds: float | None, images: int | None) -> None:
    assert Budget.parse(text) == Budget(seconds, images)


@pytest.mark.parametrize(
    "text", ["", "4", "m", "-4m", "0m", "4 weeks", "nan m", "1e99h", "inf s", "0images", "2.5images", "99999h"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="budget"):
        Budget.parse(text)


def test_spent_is_the_share() -> None:
    assert Budget(seconds=100).spent(25, 9999) == 0.25
    assert Budget(images=100).spent(1e9, 50) == 0.5
    assert Budget(images=100).spent(0, 500) == 1.0
