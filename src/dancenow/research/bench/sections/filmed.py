"""Real clips on the benchmark page: means over clips, each clip in one line, and what failed."""

from collections.abc import Mapping
from typing import Any, Final

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import number, table

_COLUMNS: Final = {
    "SSIM, person": "SSIM ↑",
    "SSIM, head": "SSIM, head ↑",
    "ST-LPIPS, person": "ST-LPIPS ↓",
    "ST-LPIPS, head": "ST-LPIPS, head ↓",
    "sharpness, person": "sharpness",
    "flicker, person": "flicker ↓",
    "background PSNR": "background PSNR, dB ↑",
    "pose distance, all": "pose distance ↓",
}
_TRANSFER_COLUMNS: Final = {
    "sharpness, person": "sharpness",
    "flicker, person": "flicker ↓",
    "pose distance, all": "pose distance ↓",
    "missed keypoints": "missed keypoints ↓",
}


def real(result: Result) -> str:
    """The tables of held-out time and of transfers."""
    means = {name: entry["mean"] for name, entry in result.summary["held-out time"].items()}
    held_out = [_row(record["clip"], _COLUMNS, record["held_out"].get("scores", {})) for record in result.records]
    transfers = [
        _row(f"{record['clip']} as {transfer['dance']}", _TRANSFER_COLUMNS, transfer.get("scores", {}))
        for record in result.records
        for transfer in record["transfers"]
    ]
    settings = result.settings
    parts = [
        f"Filmed people, whose clips are not published. The last {settings['held_out_fraction']:.0%} of each clip is held out;"
        f" a model trained on the rest for {settings['budget']} generates it from its own poses. In the person's box; sharpness"
        " and flicker as a ratio to the truth's, pose distance in torso lengths. ST-LPIPS is that of Ghildyal and Liu (2022).",
        table(["clip", *_COLUMNS.values()], [*held_out, _row("**mean**", _COLUMNS, means)]),
        "Each of them with the next clip's dance. There is no truth: sharpness and flicker are relative to the target's own"
        " footage, poses are compared with those asked for.",
        table(["target and dance", *_TRANSFER_COLUMNS.values()], transfers),
    ]
    failed = [f"- {name}: {failure['step']}: {failure['reason']}" for name, failure in result.summary["failed"].items()]
    return "\n\n".join([*parts, *(["Refused or failed:\n\n" + "\n".join(failed)] if failed else [])]) + "\n"


def _row(name: str, columns: Mapping[str, str], scores: Mapping[str, Any]) -> list[str]:
    return [name, *("-" if scores.get(each) is None else number(scores[each]) for each in columns)]
