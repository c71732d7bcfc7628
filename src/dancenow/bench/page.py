"""BENCHMARKS.md, made from the results alone: every figure on it is one that a JSON file beside it holds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dancenow.bench.benches import BENCHES
from dancenow.bench.results import MEASURED, Result, latest
from dancenow.bench.tables import mean_and_spread, number, table
from dancenow.errors import UserError
from dancenow.files import complete_or_absent

SHOWN_SIZES: Final = ("laptop", "gpu")
"""A smoke test only shows that a bench works."""

_INTRODUCTION: Final = """\
# Benchmarks

Written by `dancenow bench page` from the JSON files in [{folder}]({folder}), which `dancenow bench` wrote; nothing here is
typed by hand. Every figure can be measured again with the command above its table.
"""
_ABLATION_COLUMNS: Final = (
    ("SSIM, person", "SSIM person"), ("PSNR, person", "PSNR person"), ("perceptual, person", "perceptual person"),
    ("perceptual, face", "perceptual face"), ("flicker, person", "flicker"), ("stalling, person", "stalling"),
    ("Fréchet, person", "Fréchet"), ("pose distance, relative, all", "pose distance"),
    ("missed keypoints, all", "missed keypoints"), ("foot sliding, feet", "foot sliding"),
)  # fmt: skip
_FACE_COLUMNS: Final = (
    ("perceptual, face", "perceptual face"), ("perceptual, seen face", "where it is seen"),
    ("perceptual, face in its own window", "in its own window"),
    ("SSIM, face", "SSIM face"), ("landmark distance, face", "landmark distance"),
    ("landmarks found, face", "landmarks found"), ("mouth follows the dancer, face", "mouth follows"),
    ("mouth follows the dancer, truth", "truth's mouth follows"), ("mouth opening error, face", "mouth's error"),
    ("flicker, face", "flicker face"), ("SSIM, person", "SSIM person"), ("perceptual, person", "perceptual person"),
)  # fmt: skip


def write_page(folder: Path) -> Path:
    """Write BENCHMARKS.md beside the folder of results.

    Raises:
        UserError: there is no result to show in it, one is damaged, or the page cannot be written.
    """
    found = {key: path for key, path in latest(folder, list(BENCHES)).items() if key[1] in SHOWN_SIZES}
    if not found:
        raise UserError(f"there are no results to show in {folder}; measure first: dancenow bench --size laptop -o {folder}.")
    parts = [_INTRODUCTION.format(folder=folder.resolve().name)]
    for size in SHOWN_SIZES:
        for bench in BENCHES:
            if (bench, size) in found:
                path = found[bench, size]
                parts.append(_section(Result.read(path), path))
    page = folder.resolve().parent / "BENCHMARKS.md"
    with complete_or_absent(page) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")
    return page


def _section(result: Result, path: Path) -> str:
    try:
        body = BODIES[result.bench](result)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise UserError(f"the result {path} lacks what its table shows ({error}); measure it again or remove it.") from error
    head = f"## {TITLES[result.bench]} ({result.size})\n\n`dancenow bench {result.bench} --size {result.size}`\n"
    return f"{head}\n{body}\n{_provenance(result, path)}\n"


def _provenance(result: Result, path: Path) -> str:
    where = f"Measured {result.date} on {_place(result.machine, result.versions)}{_seeds(result)}"
    elsewhere: dict[str, int] = {}
    for measured in (cell[MEASURED] for cell in result.cells if MEASURED in cell):
        place = _place(measured["machine"], measured["versions"])
        elsewhere[place] = elsewhere.get(place, 0) + 1
    others = "".join(f"; {count} of {len(result.cells)} cells on {place}" for place, count in elsewhere.items())
    return f"{where}{others}. All cells: [{path.name}]({path.parent.name}/{path.name}).\n"


def _place(m: Mapping[str, Any], v: Mapping[str, Any]) -> str:
    usable = m.get("usable_cores", m["cores"])
    cores = f"{m['cores']} cores" if usable == m["cores"] else f"{usable} of {m['cores']} cores"
    gpu = f", {m['gpu']}" if m["gpu"] else ""
    conditions = f" ({m['conditions']})" if m.get("conditions") else ""
    what = f"dancenow {v['dancenow']}" + (f" at {v['commit']}" if v["commit"] else "")
    return f"{m['cpu']}, {cores}, {m['ram_gb']:g} GB{gpu}{conditions}; {what}, torch {v['torch']}, Python {v['python']}"


def _seeds(result: Result) -> str:
    if not result.seeds:
        return ""
    only = result.settings.get("reseeded")
    whose = f" (after the first only for {', '.join(only)})" if only else ""
    return f"; seeds {', '.join(map(str, result.seeds))}{whose}"


def _ablation(result: Result) -> str:
    s = result.settings
    film, castings = s["world"]["film"], s["world"]["castings"]
    dances = sum(len(casting["dances"]) for casting in castings)
    lines = [
        f"{len(castings)} rendered subjects, {film['size_px']} px at {film['fps']} frames a second, 20 s of footage each;"
        f" {dances} dances by other bodies in another room, with the truth rendered on the subject's body. All methods see the"
        f" same frames for the same budget ({s['budget']} of training) and go the whole way: detected poses, encoding, and for"
        f" transfers {_normalized_by(s)} (held-out time needs none). What was generated carries the invisible mark; the truth"
        f" and the nearest frame do not. The paper's networks have their published shape with {s['paper_width']:g} of the"
        f" published channels, at {s['paper_px']} px; ours is `{s['ours']}`.",
        "Mean over subjects ± standard deviation over subjects; in brackets over seeds, within a subject. Best in bold; the"
        " truth itself, encoded again, is the ceiling and takes no part.",
        "",
    ]
    for protocol, methods in result.summary.items():
        lines += [f"### {_PROTOCOL_TITLES[protocol]}", "", _ablation_table(methods), ""]
    lines += ["Methods:", "", *(f"- **{name}**: {what}" for name, what in s["methods"].items()), ""]
    lines += [
        "What the figures do not say: the dancers are rendered, cleaner than film and with less cloth that moves; minutes of"
        " training are far fewer than the paper's hours, which favours small networks; the dances share some steps with the"
        " footage; the perceptual trunk, EfficientNet-Lite0, is also what methods are trained with. Detected poses are what"
        " pose figures compare, so the detector's own errors are in them, and where nobody is detected there is no distance but"
        " missed keypoints. A blur is steady: flicker says little without the other columns. A Fréchet distance of so few"
        " frames is biased upwards, alike for all.",
        "",
    ]
    return "\n".join(lines)


def _ablation_table(methods: Mapping[str, Any], shown: tuple[tuple[str, str], ...] = _ABLATION_COLUMNS) -> str:
    extra = sorted({f for m in methods.values() for f in m["figures"] if "identity" in f.lower() or f.startswith("LPIPS")})
    columns = [*shown, *((figure, figure) for figure in extra)]
    columns = [each for each in columns if any(each[0] in m["figures"] for m in methods.values())]
    heads = []
    for figure, title in columns:
        entry = next(m["figures"][figure] for m in methods.values() if figure in m["figures"])
        unit = f", {entry['unit']}" if entry["unit"] else ""
        heads.append(f"{title}{unit} {'↑' if entry['better'] == 'higher' else '↓'}")
    rows = []
    for name, method in methods.items():
        cells = [_ablation_cell(methods, name, figure) for figure, _ in columns]
        seen = "" if method["images_seen"] is None else f"{method['images_seen']:.0f}"
        rows.append([name, *cells, seen])
    return table(["", *heads, "images seen"], rows)


def _ablation_cell(methods: Mapping[str, Any], name: str, figure: str) -> str:
    entry = methods[name]["figures"].get(figure)
    if entry is None:
        return "-"
    text = mean_and_spread(entry["mean"], entry["spread"], entry.get("seed_spread"))
    if name == _CEILING:
        return text
    rivals = [m["figures"][figure]["mean"] for n, m in methods.items() if n != _CEILING and figure in m["figures"]]
    best = max(rivals) if entry["better"] == "higher" else min(rivals)
    return f"**{text}**" if entry["mean"] == best else text


def _budget(result: Result) -> str:
    s = result.settings
    about = (
        f"Person's box, after so many seconds of training at equal seconds for all: ours (`{s['ours']}`), and the paper's body"
        f" system with {s['paper_width']:g} of the published channels at {s['paper_px']} px, in which it learns faster than at"
        " its own size. Mean over subjects ± standard deviation over them; best of a budget in bold. Exact and detected"
        " keypoints: one clip of a folder of one's own is learnt from, another dance by the same body is the truth; exact"
        " keypoints are drawn where they are and nothing is encoded, detected ones come from another body that dances it and"
        " go the whole way. Held-out time and transfer: the rendered subjects and tests of the ablation; transfers by"
        f" {_normalized_by(s)}."
    )
    parts = [about, ""]
    for protocol, rows in result.summary.items():
        title = _PROTOCOL_TITLES.get(protocol, protocol.capitalize())
        parts += [f"### {title}", "", _budget_table(rows), ""]
    parts += ["Methods:", "", *(f"- **{name}**: {what}" for name, what in s["methods"].items()), ""]
    return "\n".join(parts)


def _normalized_by(settings: Mapping[str, Any]) -> str:
    """What brought the dancers' poses to the subjects: the paper's map for all methods, in results that name none."""
    kinds = settings.get("normalize", {})
    own = [name for name, kind in kinds.items() if kind == "auto"]
    return f"the default normalization for {', '.join(own)}, the paper's map for the others" if own else "normalization `paper`"


def _budget_table(rows: list[Mapping[str, Any]]) -> str:
    columns = [each for each in _BUDGET_COLUMNS if any(each[0] in row["figures"] for row in rows)]
    arrows = {"higher": "↑", "lower": "↓"}
    heads = []
    for figure, title in columns:
        entry = next(row["figures"][figure] for row in rows if figure in row["figures"])
        heads.append(f"{title}{', ' + entry['unit'] if entry['unit'] else ''} {arrows[entry['better']]}")
    lines = []
    for row in rows:
        rivals = {other["method"]: other for other in rows if other["budget"] == row["budget"]}
        cells = [_ablation_cell(rivals, row["method"], figure) for figure, _ in columns]
        seen = "" if row["images_seen"] is None else f"{row['images_seen']:.0f}"
        lines.append([row["budget"], row["method"], row["start"], *cells, seen])
    return table(["budget", "method", "start", *heads, "images seen"], lines)


def _face(result: Result) -> str:
    s = result.settings
    about = (
        f"With and without a network for the face, at equal budgets for all of it ({s['budget']} of `{s['ours']}`), on rendered"
        " subjects: what the face costs, the body's training has less. Mean over subjects ± standard deviation over them; best"
        " in bold. Landmark distance and the mouth's error are in heights of the head, between what one detector finds in"
        " result and truth. How the mouth follows the dancer is a correlation over the frames in which both are found, of"
        " dancers whose mouth moves: they sing; that of the rendered truth stands beside it."
    )
    parts = [about, ""]
    for protocol, methods in result.summary.items():
        parts += [f"### {_PROTOCOL_TITLES[protocol]}", "", _ablation_table(methods, _FACE_COLUMNS), ""]
    parts += ["Methods:", "", *(f"- **{name}**: {what}" for name, what in s["methods"].items()), ""]
    return "\n".join(parts)


def _drift(result: Result) -> str:
    s = result.settings
    rows = []
    for method, found in result.summary.items():
        for figure in found["first"]:
            values = [found[part][figure] for part in ("first", "last")]
            change = found["change"].get(figure)
            shown = ["-" if value is None else number(value) for value in values]
            rows.append([f"{method}: {figure}", *shown, "-" if change is None else f"{100 * change:+.1f}%"])
    lengths = "; ".join(f"{method} {found['seconds']:.0f} s" for method, found in result.summary.items())
    memory = "; ".join(
        f"{cell['method']} {' and '.join('-' if mb is None else number(mb) for mb in cell['memory_mb'])} MB"
        for cell in result.cells
    )
    about = (
        f"One dance again and again, forwards and backwards in turn, generation alone ({lengths}); the last time beside the"
        f" first, against the truth in the person's box. Trained {s['budget']}, one seed; sharpness is a share of the truth's,"
        f" flicker a multiple of it. Memory after the first and after the last time: {memory}."
    )
    return f"{about}\n\n{table(['', 'first', 'last', 'change'], rows)}\n"


def _speed(result: Result) -> str:
    s = result.settings
    systems = list(dict.fromkeys(name for row in result.summary.values() for name in row if name != "ratio"))
    ours = [name for name in systems if name != "paper"]
    rows = []
    for stage, row in result.summary.items():
        ratios = row.get("ratio", {})
        if not isinstance(ratios, dict):  # results of one network of ours
            ratios = {ours[0]: ratios}
        shown = [mean_and_spread(row[x]["median"], row[x]["spread"]) if x in row else "-" for x in systems]
        rows.append([stage, *shown, *(f"{ratios[x]:.3g}" if x in ratios else "" for x in ours)])
    named = " and ".join(_network(name, px) for name, px in s["networks"]) if "networks" in s else f"`{s['ours']}`"
    about = (
        f"Ours ({named}) beside the paper's networks with {s['paper_width']:g} of the published channels at"
        f" {s['paper_px']} px, both in PyTorch as it is, in the same run: {s['repetitions']} repetitions, interleaved; medians"
        " ± standard deviation. Frames a second of the dance; of training, steps a second (ours sees several clips a step, the"
        " paper's one). All detect and encode alike; the whole way is from file to file, the loading of networks included, on"
        f" {s['whole_frames']} frames."
    )
    return f"{about}\n\n{table(['stage', *systems, *(f'{name} / paper' for name in ours)], rows)}\n"


def _network(name: str, frame_px: Sequence[int] | None) -> str:
    return f"`{name}`" + (f" on video enlarged to {frame_px[0]}x{frame_px[1]} px" if frame_px else "")


def _normalize(result: Result) -> str:
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
            rows.append([kind, *cells])
        parts += [f"### {_DATA_TITLES.get(data, data)}", "", table(["", *_NORMALIZE_COLUMNS.values()], rows), ""]
    return "\n".join(parts)


def _blend(result: Result) -> str:
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


def _normalized_pictures(kinds: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    columns = {"ssim_person": "SSIM", "psnr_person_db": "PSNR, dB", "perceptual_person": "perceptual distance"}
    rows = []
    for kind, figures in kinds.items():
        cells = []
        for name in columns:
            mean, gain, spread = (figures[name][key] for key in ("mean", "over_paper", "spread_over_paper"))
            over = "" if gain is None or kind == "paper" else f" ({gain:+.3g} ± {spread or 0:.2g})"
            cells.append(f"{number(mean or 0.0)}{over}")
        rows.append([kind, *cells])
    about = (
        "In the true person's box, of dances brought to subjects of whom a model was trained, by one and the same model; in"
        " brackets what is gained over the paper's map, mean ± standard deviation over transfers. `true poses`: those of the"
        " true video itself, so that what is left is the generator's."
    )
    return f"### In pictures\n\n{about}\n\n{table(['', *columns.values()], rows)}\n"


def _memory(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["peak_mb"]), number(c["generation"]["peak_mb"])] for c in result.cells]
    s = result.summary
    ratio = s["peak_ratio"]
    about = (
        "Peak resident memory of a transfer in a process of its own, in MB; the whole way with the detector, and generation"
        f" alone (poses known). {s['frames_ratio']:g} times the frames take {ratio['whole']:g} and {ratio['generation']:g}"
        " times the memory."
    )
    return f"{about}\n\n{table(['frames', 'whole transfer', 'generation alone'], rows)}\n"


def _engines(result: Result) -> str:
    papers = list(dict.fromkeys(key for row in result.summary.values() for key in row if key.startswith("times ")))
    rows = [
        [
            name, number(row["cpu_ms"]), number(row["ratio"]), *(number(row[key]) if key in row else "" for key in papers),
            number(row["wall_ms"]), number(row["build_s"]), _decibels(row),
        ]
        for name, row in result.summary.items()
    ]  # fmt: skip
    s = result.settings
    cell = result.cells[0]
    threads = cell["threads"]
    place = f"{threads} thread{'s' if threads > 1 else ''}"
    if cell.get("device") == "cuda":
        place = "on the GPU, where times are compared by the clock"
    # Results that do not say so are of generators that were all shown the picture before.
    own = ", each engine going on from its own pictures" if cell.get("previous", True) else ""
    networks = s.get("networks") or [s["ours"]]
    names = (
        f"generator of the preset {networks[0]}" if len(networks) == 1 else f"generators of the presets {', '.join(networks)}"
    )
    about = (
        f"The {names} with random weights, picture by picture, engines in turn, {place}."
        f" PSNR: the lowest of any picture of a dance of {s['rollout']} frames against float32{own}."
    )
    if papers:
        about += f" The paper's network, with {s['paper_width']:g} of the published channels, is as PyTorch runs it."
    heads = ["engine", "processor ms a picture", "times float32", *papers, "ms by the clock", "s to the first picture"]
    return f"{about}\n\n{table([*heads, 'PSNR, dB ↑'], rows)}\n"


def _decibels(row: Mapping[str, Any]) -> str:
    return "-" if row["psnr_db"] is None else number(row["psnr_db"])


def _growth(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["seconds"]), number(c["generation"]["seconds"])] for c in result.cells]
    w, g = result.summary["whole"], result.summary["generation"]
    about = (
        f"Seconds of a transfer, without Python's own start. Each further frame costs {w['ms_a_frame']:g} ms on the whole way"
        f" and {g['ms_a_frame']:g} ms in generation alone."
    )
    return f"{about}\n\n{table(['frames', 'whole transfer, s', 'generation alone, s'], rows)}\n"


def _monotonicity(result: Result) -> str:
    rows = []
    for row in (row for cell in result.cells for row in cell["rows"] if row["must"]):
        values = " → ".join("-" if value is None else number(value) for value in row["values"])
        name = f"{row['name']}, {row['region']} {'↑' if row['better'] == 'higher' else '↓'}"
        rows.append([name, row["damage"], values, "yes" if row["follows"] else "**no**"])
    units = "; ".join(f"{kind}: {unit}" for kind, unit in result.settings["units"].items())
    levels = {kind: amounts for cell in result.cells for kind, amounts in cell["levels"].items()}
    steps = "; ".join(f"{kind} {', '.join(f'{a:g}' for a in amounts)}" for kind, amounts in levels.items())
    s = result.summary
    about = (
        "A rendered clip is damaged more and more, and every figure has to follow the damage that it is made for:"
        f" {s['follow']} of {s['must']} do, at every step. What a figure may overlook, and why, is in the JSON. Amounts:"
        f" {steps} ({units})."
    )
    return f"{about}\n\n{table(['figure', 'damage', 'from none to most', 'follows'], rows)}\n"


_BUDGET_COLUMNS: Final = (
    ("SSIM, person", "SSIM"), ("PSNR, person", "PSNR"), ("perceptual, person", "perceptual"),
    ("perceptual, face", "perceptual, face"), ("flicker, person", "flicker"), ("stalling, person", "stalling"),
    ("identity, face", "identity, face"),
)  # fmt: skip
_CEILING: Final = "truth, encoded again"
_PROTOCOL_TITLES: Final = {
    "exact keypoints": "Exact keypoints of a clip of one's own",
    "detected keypoints": "Detected keypoints, a clip of one's own, the whole way",
    "held-out time": "Self-reconstruction of held-out time (the paper's protocol)",
    "transfer": "Transfer across bodies, against the rendered truth (ours)",
}
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
TITLES: Final = {
    "ablation": "Quality, method by method",
    "budget": "Quality for the budget",
    "face": "The face",
    "drift": "Does a long video end as it began?",
    "speed": "Speed",
    "engines": "What runs the generator",
    "normalize": "Normalization",
    "blend": "Faces put back into their frames",
    "memory": "Memory against length",
    "growth": "Time against length",
    "monotonicity": "Do the metrics measure?",
}
BODIES: Final[Mapping[str, Callable[[Result], str]]] = {
    "ablation": _ablation,
    "budget": _budget,
    "face": _face,
    "drift": _drift,
    "speed": _speed,
    "engines": _engines,
    "normalize": _normalize,
    "blend": _blend,
    "memory": _memory,
    "growth": _growth,
    "monotonicity": _monotonicity,
}
