"""Sections on the forensic classifier and on the rendered dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import number, table

_RATES = ("accuracy", "auc", "real", "synthetic")


def forensics(result: Result) -> str:
    s, found = result.settings, result.summary
    people = {record["subject"] for record in result.records}
    heads = ["", "clips", "accuracy ↑", "AUC ↑", "real classified as real", "fakes found"]
    methods = ", ".join(f"`{method}`" for method, _ in s["forged of the test"])
    about = (
        f"{len(result.records)} videos of the studio's {len(people)} people, who, like their dances, are in no training: real"
        f" ones, fakes by {methods}, and fakes that show the nearest frames of the footage; each encoded at"
        f" {'; '.join(s['judged encodings'])}. In {found['shipped']['nobody found']} of them no person is found, so there is no"
        " result. Accuracy: the mean over both classes of the fraction on the right side of one half. Families and encodings"
        " are for the shipped classifier, each together with the real clips."
    )
    variants = [
        [f"{name}: {_description(name, v['what'])}", *_row(found[name]["over all"])] for name, v in s["variants"].items()
    ]
    held_out = [
        [f"{name}, held-out families", *_row(found[name]["held out"])] for name in s["variants"] if "held out" in found[name]
    ]
    parts = [about, "", table(heads, [*variants, *held_out]), ""]
    for key in ("subject", "encoding", "family"):
        rows = [[name, *_row(rates)] for name, rates in found["shipped"][f"by {key}"].items()]
        parts += [f"### By {key}", "", table(heads, rows), ""]
    calibration, speed = found["calibration"], found["speed"]
    parts += [
        f"The expected calibration error is {number(calibration['expected error'])} (Brier score"
        f" {number(calibration['brier'])}). {number(speed['in all'])} frames per second from file to verdict,"
        f" {number(speed['with the track kept'])} with a cached track.",
        "",
        *_verdicts("Camera clips, not used in training", found["camera"]),
    ]
    if found.get("product"):
        parts += _verdicts("Output of the product, and the rendered ground truth", found["product"])
    return "\n".join(parts)


def _description(name: str, stored: str) -> str:
    """The variant as the code describes it now; older results use other words."""
    from dancenow.research.bench.forensics import VARIANTS

    return VARIANTS[name].what if name in VARIANTS else stored


def _row(rates: Mapping[str, Any]) -> list[str]:
    return [str(rates["clips"]), *("-" if rates[key] is None else number(rates[key]) for key in _RATES)]


def _verdicts(title: str, seen: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [[each.get("family", ""), each["clip"], each.get("verdict", each.get("error", "")), _likely(each)] for each in seen]
    return [f"### {title}", "", table(["", "clip", "verdict", "probability of synthesized"], rows), ""]


def _likely(each: Mapping[str, Any]) -> str:
    return number(each["probability"]) if "probability" in each else "-"


def dataset(result: Result) -> str:
    s = result.settings
    columns = {
        "make_cpu_s_per_1000_frames": "rendered, processor s", "make_s_per_1000_frames": "wall-clock s",
        "validate_s_per_1000_frames": "validated, s", "package_s_per_1000_frames": "packaged, s",
        "stream_s_per_1000_frames": "streamed, s", "mb_per_1000_frames": "MB",
    }  # fmt: skip
    rows = [[f"{record['size_px']} px", *(number(record[key]) for key in columns)] for record in result.records]
    about = (
        f"Per 1,000 frames with exact poses, masks and faces; {s['identities']} people in {s['dances']} dances of"
        f" {s['seconds']:g} s, in one process with one thread."
    )
    return f"{about}\n\n{table(['', *columns.values()], rows)}\n"
