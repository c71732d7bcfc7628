"""Telling synthesized from real, and the rendered dataset that anybody may use."""

from collections.abc import Mapping, Sequence
from typing import Any

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import number, table

_SHARES = ("accuracy", "auc", "real", "synthetic")


def forensics(result: Result) -> str:
    s, found = result.settings, result.summary
    people = {cell["subject"] for cell in result.records}
    heads = ["", "clips", "right ↑", "AUC ↑", "real called real", "synthetic found"]
    ways = ", ".join(f"`{way}`" for way, _ in s["forged of the test"])
    about = (
        f"{len(result.records)} videos of the studio's {len(people)} people, who are in no training, nor are their dances: true"
        f" ones, and forged by {ways}, and by showing the nearest frames of the footage; each encoded at"
        f" {'; '.join(s['judged encodings'])}. In {found['shipped']['nobody found']} nobody is found, so that there is nothing"
        " to judge. Right: the mean of both classes' shares on the right side of one half. Families and encodings are of the"
        " classifier that is shipped, each beside the true clips."
    )
    variants = [[f"{name}: {v['what']}", *_row(found[name]["over all"])] for name, v in s["variants"].items()]
    held_out = [
        [f"{name}, on what it never saw", *_row(found[name]["held out"])] for name in s["variants"] if "held out" in found[name]
    ]
    parts = [about, "", table(heads, [*variants, *held_out]), ""]
    for key in ("subject", "encoding", "family"):
        rows = [[name, *_row(rates)] for name, rates in found["shipped"][f"by {key}"].items()]
        parts += [f"### By {key}", "", table(heads, rows), ""]
    calibration, speed = found["calibration"], found["speed"]
    parts += [
        f"Probabilities are off by {number(calibration['expected error'])} on average (Brier score"
        f" {number(calibration['brier'])}). {number(speed['in all'])} frames a second from file to verdict,"
        f" {number(speed['with the track kept'])} where the person's track is kept.",
        "",
        *_verdicts("Camera clips, of which nothing was learnt", found["camera"]),
    ]
    if found.get("product"):
        parts += _verdicts("Videos of the product, and the rendered truth beside them", found["product"])
    return "\n".join(parts)


def _row(rates: Mapping[str, Any]) -> list[str]:
    return [str(rates["clips"]), *("-" if rates[key] is None else number(rates[key]) for key in _SHARES)]


def _verdicts(title: str, seen: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [[each.get("family", ""), each["clip"], each.get("verdict", each.get("error", "")), _likely(each)] for each in seen]
    return [f"### {title}", "", table(["", "clip", "verdict", "probability of synthesized"], rows), ""]


def _likely(each: Mapping[str, Any]) -> str:
    return number(each["probability"]) if "probability" in each else "-"


def dataset(result: Result) -> str:
    s = result.settings
    columns = {
        "make_cpu_s_per_1000_frames": "rendered, s of a processor", "make_s_per_1000_frames": "by the clock",
        "validate_s_per_1000_frames": "validated, s", "package_s_per_1000_frames": "packaged, s",
        "stream_s_per_1000_frames": "streamed, s", "mb_per_1000_frames": "MB",
    }  # fmt: skip
    rows = [[f"{cell['size_px']} px", *(number(cell[key]) for key in columns)] for cell in result.records]
    about = (
        f"For 1,000 frames with exact poses, masks and faces; {s['identities']} people in {s['dances']} dances of"
        f" {s['seconds']:g} s, in one process with one thread."
    )
    return f"{about}\n\n{table(['', *columns.values()], rows)}\n"
