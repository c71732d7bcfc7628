"""Filmed people and moving cameras on the benchmark page."""

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
    "filmed background PSNR": "of it what training saw, dB ↑",
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


def camera(result: Result) -> str:
    """The table of moving cameras with ground truth."""
    rows = [
        [name, role, *(_known(scores.get(key)) for key in ("SSIM", "SSIM against tripod", "perceptual", "corner error px"))]
        for role, cameras in result.summary.items()
        for name, scores in cameras.items()
    ]
    heads = ["camera", "films the", "SSIM ↑", "against the tripod", "perceptual distance ↓", "corner error, px ↓"]
    return (
        "A rendered pair, filmed once more by cameras that move, whose homographies are known. A model of each footage performs"
        f" the tripod's dance; the tripod's model performs the dance of each camera. Trained for {result.settings['budget']}."
        " In the person's box, against the truth from the reference view; the error is that of the frame's worst corner,"
        f" median over frames.\n\n{table(heads, rows)}\n"
    )


def _known(value: float | None) -> str:
    return "-" if value is None else number(value)


def _row(name: str, columns: Mapping[str, str], scores: Mapping[str, Any]) -> list[str]:
    return [name, *("-" if scores.get(each) is None else number(scores[each]) for each in columns)]
