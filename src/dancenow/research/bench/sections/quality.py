"""Pictures beside their truth: method by method, budget by budget, face by face."""

from collections.abc import Mapping
from typing import Any, Final

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread, table

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


def ablation(result: Result) -> str:
    s = result.settings
    size_px, fps, cases = _test_set(s)
    dances = sum(len(case["dances"]) for case in cases)
    lines = [
        f"{len(cases)} rendered subjects, {size_px} px at {fps} frames per second, 20 s of footage each;"
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


def _test_set(settings: Mapping[str, Any]) -> tuple[int, int, list[Mapping[str, Any]]]:
    """Frame size in px, frames per second and subjects; older results call them `world`, `film` and `castings`."""
    test_set = settings["test_set"] if "test_set" in settings else settings["world"]
    video = test_set["video_format"] if "video_format" in test_set else test_set["film"]
    return video["size_px"], video["fps"], test_set["cases"] if "cases" in test_set else test_set["castings"]


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


def budget(result: Result) -> str:
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


def face(result: Result) -> str:
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
