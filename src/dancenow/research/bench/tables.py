"""Markdown tables and number formatting."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table; the first column is text, the others are numbers, aligned right."""
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float) -> str:
    """Format with three or four significant digits: .0123, 0.912, 12.3, 1234."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:#.3g}".rstrip(".")


def mean_and_spread(mean: float, spread: float | None, seed_spread: float | None = None) -> str:
    """Format as `0.912 ± 0.010 (0.003)`, with the digits that are significant given the spread."""
    if spread is None:
        return number(mean)
    text = f"{number(mean)} ± {_two(spread)}"
    return text if seed_spread is None else f"{text} ({_two(seed_spread)})"


def _two(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"
