"""Bodies and faces put in their places, and whether the metrics see what is wrong: normalization, blending, monotonicity."""

from collections.abc import Mapping
from typing import Final

from dancenow.pose.retargeting.registry import OLD_KINDS
from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread, number, table

_DATA_TITLES: Final = {
    "exact": "Exact keypoints",
    "detected": "Detected keypoints",
    "DANCENOW_DATA": "Detected keypoints, clips of a folder of one's own",
    "DANCENOW_DATA, exact": "Exact keypoints, clips of a folder of one's own",
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
    "face_colour": "colour ↓",
    "face_detail": "detail ↓",
    "pumping": "pumping ↓",
    "ms": "ms ↓",
}


def normalize(result: Result) -> str:
    parts = [
        "How far a dancer's keypoints are from the truth after each normalization: share of the true body's height (nose to"
        " ankle), mean over all keypoints and that of the worst one; feet that should stand, sliding in torso lengths a second"
        " (the truth's own sliding is not subtracted), and their distance from the ground in torso lengths. Mean over pairs of"
        " bodies ± standard deviation over them; fitted on the dancer's dance and on footage of another dance. Rendered bodies,"
        " still cameras.",
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
        "In the true person's box, of dances brought to subjects of whom a model was trained, by one and the same model; in"
        " brackets what is gained over the paper's map, mean ± standard deviation over transfers. `true poses`: those of the"
        " true video itself, so that what is left is the generator's."
    )
    return f"### In pictures\n\n{about}\n\n{table(['', *columns.values()], rows)}\n"


def blend(result: Result) -> str:
    parts = [
        "A window on the head of rendered dancers, changed in colour, light or sharpness as a network of faces changes it,"
        " and put back. Seam: mean difference of gradients to the truth round the face, grey levels a pixel, and its 99th"
        " percentile; colour: the face's difference to the truth in grey levels; detail: the difference of its gradients to"
        " those that were asked for; pumping: the standard deviation over time of its mean colour; ms: of one core, a frame.",
        "",
    ]
    for factor, methods in result.summary.items():
        rows = []
        for method, figures in methods.items():
            best = {figure: min(m[figure] for m in methods.values()) for figure in _BLEND_COLUMNS}
            cells = [f"**{number(v)}**" if v == best[f] else number(v) for f, v in figures.items() if f in _BLEND_COLUMNS]
            rows.append([method, *cells])
        parts += [f"### Frames {factor} times their size", "", table(["", *_BLEND_COLUMNS.values()], rows), ""]
    return "\n".join(parts)


def monotonicity(result: Result) -> str:
    rows = []
    for row in (row for cell in result.records for row in cell["rows"] if row["must"]):
        values = " → ".join("-" if value is None else number(value) for value in row["values"])
        name = f"{row['name']}, {row['region']} {'↑' if row['better'] == 'higher' else '↓'}"
        rows.append([name, row["damage"], values, "yes" if row["follows"] else "**no**"])
    units = "; ".join(f"{kind}: {unit}" for kind, unit in result.settings["units"].items())
    levels = {kind: amounts for cell in result.records for kind, amounts in cell["levels"].items()}
    steps = "; ".join(f"{kind} {', '.join(f'{a:g}' for a in amounts)}" for kind, amounts in levels.items())
    s = result.summary
    about = (
        "A rendered clip is damaged more and more, and every figure has to follow the damage that it is made for:"
        f" {s['follow']} of {s['must']} do, at every step. What a figure may overlook, and why, is in the JSON. Amounts:"
        f" {steps} ({units})."
    )
    return f"{about}\n\n{table(['figure', 'damage', 'from none to most', 'follows'], rows)}\n"
