"""Sections on image quality against the ground truth: by method, by training budget, and of the face."""

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
    ("perceptual, face in its own window", "in its own crop"),
    ("SSIM, face", "SSIM face"), ("landmark distance, face", "landmark distance"),
    ("landmarks found, face", "landmarks found"), ("mouth follows the dancer, face", "mouth correlation"),
    ("mouth follows the dancer, truth", "truth's mouth correlation"), ("mouth opening error, face", "mouth error"),
    ("flicker, face", "flicker face"), ("SSIM, person", "SSIM person"), ("perceptual, person", "perceptual person"),
)  # fmt: skip
_BUDGET_COLUMNS: Final = (
    ("SSIM, person", "SSIM"), ("PSNR, person", "PSNR"), ("perceptual, person", "perceptual"),
    ("perceptual, face", "perceptual, face"), ("flicker, person", "flicker"), ("stalling, person", "stalling"),
    ("identity, face", "identity, face"),
)  # fmt: skip
_CEILING: Final = "truth, encoded again"
_PROTOCOL_TITLES: Final = {
    "exact keypoints": "Exact keypoints, clips in DANCENOW_DATA",
    "detected keypoints": "Detected keypoints, clips in DANCENOW_DATA, end to end",
    "held-out time": "Self-reconstruction of held-out time (the paper's protocol)",
    "transfer": "Transfer across bodies, against the rendered truth (ours)",
}


def ablation(result: Result) -> str:
    s = result.settings
    size_px, fps, cases = rendered_videos(s)
    dances = sum(len(case["dances"]) for case in cases)
    lines = [
        f"{len(cases)} rendered subjects, {size_px} px at {fps} frames per second, 20 s of footage each;"
        f" {dances} dances by other people in another room, with the ground truth rendered on the subject's body. All methods"
        f" see the same frames for the same budget ({s['budget']} of training) and run end to end: detected poses, encoding,"
        f" and for transfers {_normalized_by(s)} (held-out time needs none). Generated video carries the invisible watermark;"
        f" the truth and the nearest frame do not. The paper's networks have their published shape at {s['paper_width']:g} of"
        f" the published channels and {s['paper_px']} px; ours is `{s['ours']}`.",
        "Mean over subjects ± standard deviation over subjects; in brackets over seeds, within a subject. Best in bold; the"
        " re-encoded truth is the upper bound and does not compete.",
        "",
    ]
    for protocol, methods in result.summary.items():
        lines += [f"### {_PROTOCOL_TITLES[protocol]}", "", _ablation_table(methods), ""]
    lines += _method_lines(s["methods"])
    lines += [
        "Limits: the people are rendered, cleaner than filmed video and with less moving cloth; minutes of training are far"
        " fewer than the paper's hours, which favors small networks; the dances share some steps with the footage; the"
        " perceptual trunk, EfficientNet-Lite0, is also a training loss. Pose metrics compare detected poses, so they include"
        " the detector's errors; where no person is detected, there is no distance, only missed keypoints. A blurred video is"
        " steady: flicker says little without the other columns. A Fréchet distance of so few frames is biased upwards, equally"
        " for all.",
        "",
    ]
    return "\n".join(lines)


def rendered_videos(settings: Mapping[str, Any]) -> tuple[int, int, list[Mapping[str, Any]]]:
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


def _method_lines(methods: Mapping[str, str]) -> list[str]:
    """The list of methods, as the code describes them now; older results use other words."""
    from dancenow.research.bench import face
    from dancenow.research.bench import methods as current

    known: dict[str, str] = {name: method.what for name, method in current.METHODS.items()}
    known |= {"paper": known["+ temporal smoothing"]} | {str(mode): what for mode, what in face.METHODS.items()}
    return ["Methods:", "", *(f"- **{name}**: {known.get(name, what)}" for name, what in methods.items()), ""]


def budget(result: Result) -> str:
    s = result.settings
    about = (
        f"In the person's box, after equal seconds of training: ours (`{s['ours']}`), and the paper's body system at"
        f" {s['paper_width']:g} of the published channels and {s['paper_px']} px, where it learns faster than at its own size."
        " Mean over subjects ± standard deviation; best of a budget in bold. Exact and detected keypoints: training on one clip"
        " in DANCENOW_DATA, with another dance by the same body as ground truth; exact keypoints are drawn in place and nothing"
        " is encoded; detected ones come from another body performing the dance and run end to end. Held-out time and transfer:"
        " the rendered subjects and tests of the ablation; transfers by"
        f" {_normalized_by(s)}."
    )
    parts = [about, ""]
    for protocol, rows in result.summary.items():
        title = _PROTOCOL_TITLES.get(protocol, protocol.capitalize())
        parts += [f"### {title}", "", _budget_table(rows), ""]
    parts += _method_lines(s["methods"])
    return "\n".join(parts)


def _normalized_by(settings: Mapping[str, Any]) -> str:
    """The retargeting of the compared methods; results that name none used the paper's map for all."""
    kinds = settings.get("normalize", {})
    own = [name for name, kind in kinds.items() if kind == "auto"]
    return f"the default retargeting for {', '.join(own)}, the paper's map for the others" if own else "retargeting `paper`"


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
        f"With and without a face network, at equal budgets in total ({s['budget']} of `{s['ours']}`), on rendered subjects:"
        " training the face takes time from the body. Mean over subjects ± standard deviation; best in bold. Landmark distance"
        " and mouth error are in head heights, between detections in result and truth. Mouth correlation: with the source"
        " person's mouth, over the frames in which both are detected, for singing people; that of the rendered truth is given"
        " for comparison."
    )
    parts = [about, ""]
    for protocol, methods in result.summary.items():
        parts += [f"### {_PROTOCOL_TITLES[protocol]}", "", _ablation_table(methods, _FACE_COLUMNS), ""]
    parts += _method_lines(s["methods"])
    return "\n".join(parts)
