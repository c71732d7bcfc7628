"""Sections on retargeting, on blending faces, and on the sanity of the metrics."""

from collections.abc import Mapping
from typing import Final

from dancenow.pose.retargeting.registry import OLD_KINDS
from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread, number, table

_DATA_TITLES: Final = {
    "exact": "Exact keypoints",
    "detected": "Detected keypoints",
    "DANCENOW_DATA": "Detected keypoints, clips in DANCENOW_DATA",
    "DANCENOW_DATA, exact": "Exact keypoints, clips in DANCENOW_DATA",
}
_NORMALIZE_COLUMNS: Final = {
    "keypoint_error": "keypoint error ↓",
    "worst_part_error": "worst keypoint ↓",
    "foot_sliding": "foot sliding ↓",
    "ground_error": "ground error ↓",
}
_BLEND_COLUMNS: Final = {
    "seam": "seam ↓",
    "worst_seam": "worst seam ↓",
    "face_colour": "color ↓",
    "face_detail": "detail ↓",
    "pumping": "pumping ↓",
    "ms": "ms ↓",
}


def normalize(result: Result) -> str:
    parts = [
        "Distance of a source person's keypoints to the ground truth after each retargeting, as a fraction of the true body's"
        " height (nose to ankle): mean over all keypoints, and the worst keypoint; sliding of feet that should stand, in torso"
        " lengths per second (the truth's own sliding is not subtracted), and their distance from the ground in torso lengths."
        " Mean over pairs of bodies ± standard deviation; fitted on the source's dance and on footage of another dance."
        " Rendered bodies, still cameras.",
        "",
    ]
    for data, kinds in result.summary.items():
        if data == "pictures":
            parts += [_normalized_pictures(kinds)]
            continue
        rows = []
        for kind, figures in kinds.items():
            cells = []
            for figure in _NORMALIZE_COLUMNS:
                known = [k[figure]["mean"] for k in kinds.values() if k[figure]["mean"] is not None]
                entry = figures[figure]
                text = "-" if entry["mean"] is None else mean_and_spread(entry["mean"], entry["spread"])
                cells.append(f"**{text}**" if known and entry["mean"] == min(known) else text)
            rows.append([OLD_KINDS.get(kind, kind), *cells])
        parts += [f"### {_DATA_TITLES.get(data, data)}", "", table(["", *_NORMALIZE_COLUMNS.values()], rows), ""]
    return "\n".join(parts)


def _normalized_pictures(kinds: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    columns = {"ssim_person": "SSIM", "psnr_person_db": "PSNR, dB", "perceptual_person": "perceptual distance"}
    rows = []
    for kind, figures in kinds.items():
        cells = []
        for name in columns:
            mean, gain, spread = (figures[name][key] for key in ("mean", "over_paper", "spread_over_paper"))
            over = "" if gain is None or kind == "paper" else f" ({gain:+.3g} ± {spread or 0:.2g})"
            cells.append(f"{number(mean or 0.0)}{over}")
        rows.append([OLD_KINDS.get(kind, kind), *cells])
    about = (
        "In the true person's box, for dances retargeted to subjects with one trained model each; in brackets the gain over the"
        " paper's map, mean ± standard deviation over transfers. `true poses`: poses detected in the true video; the remaining"
        " error is the generator's."
    )
    return f"### In images\n\n{about}\n\n{table(['', *columns.values()], rows)}\n"


def blend(result: Result) -> str:
    parts = [
        "The head crop of rendered people, with color, light or sharpness changed as by a face network, is blended back into"
        " the frame. Seam: mean gradient difference to the truth around the face, in gray levels per pixel, and its 99th"
        " percentile; color: the face's difference to the truth in gray levels; detail: the gradient difference to the edited"
        " face; pumping: standard deviation over time of the face's mean color; ms: on one core, per frame.",
        "",
    ]
    for factor, methods in result.summary.items():
        rows = []
        for method, figures in methods.items():
            best = {figure: min(m[figure] for m in methods.values()) for figure in _BLEND_COLUMNS}
            cells = [f"**{number(v)}**" if v == best[f] else number(v) for f, v in figures.items() if f in _BLEND_COLUMNS]
            rows.append([method, *cells])
        parts += [f"### Frames upsampled {factor} times", "", table(["", *_BLEND_COLUMNS.values()], rows), ""]
    return "\n".join(parts)


def monotonicity(result: Result) -> str:
    rows = []
    for row in (row for cell in result.records for row in cell["rows"] if row["must"]):
        values = " → ".join("-" if value is None else number(value) for value in row["values"])
        name = f"{row['name']}, {row['region']} {'↑' if row['better'] == 'higher' else '↓'}"
        rows.append([name, row["damage"], values, "yes" if row["follows"] else "**no**"])
    units = "; ".join(f"{kind}: {unit}" for kind, unit in _current_units(result.settings["units"]).items())
    levels = {kind: amounts for cell in result.records for kind, amounts in cell["levels"].items()}
    steps = "; ".join(f"{kind} {', '.join(f'{a:g}' for a in amounts)}" for kind, amounts in levels.items())
    s = result.summary
    about = (
        "A rendered clip is degraded in increasing steps, and every metric must respond to the degradations it is made for:"
        f" {s['follow']} of {s['must']} do, at every step. What a metric may ignore, and why, is in the JSON. Amounts:"
        f" {steps} ({units})."
    )
    return f"{about}\n\n{table(['metric', 'degradation', 'from none to most', 'responds'], rows)}\n"


def _current_units(units: Mapping[str, str]) -> dict[str, str]:
    """The units as the code describes them now; older results use other words."""
    from dancenow.evaluation.metric_sanity import UNITS

    return {kind: UNITS.get(kind, unit) for kind, unit in units.items()}
