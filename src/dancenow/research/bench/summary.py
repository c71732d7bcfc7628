"""docs/benchmark-summary.md: the main figures of the results in a few short tables, with links to all of them."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from dancenow.research.bench.results import Result
from dancenow.research.bench.sections.quality import rendered_videos
from dancenow.research.bench.tables import number, table

RENAMED: Final = {"bones": "skeletal"}
"""Names in older results -> today's."""
_INTRODUCTION: Final = """\
# Benchmark summary

`dancenow bench page` writes this page from the newest results on a laptop (two CPU cores). [All tables](benchmarks.md) have the
other figures, the machines, and the commands that measure them again.

All people are rendered. So the truth is known: the same dance on the other body, frame by frame. Rendered people are cleaner
than film.
Each result is of the code that measured it; the [log](log/2026-11.md) says what has changed since. Up to 2026-11-28 the preset
`draft` was what `draft-fast` is now.
"""


def summary_page(results: Mapping[str, Result], titles: Mapping[str, str]) -> str:
    """The page, with a section for each bench that has a result.

    titles: bench -> its title among all tables, to which the section links.

    Raises:
        KeyError, TypeError, IndexError: a result lacks what its section shows.
    """
    parts = [_INTRODUCTION]
    for bench, section in SECTIONS.items():
        if bench in results:
            anchor = re.sub(r"[^\w\s-]", "", f"{titles[bench]} ({results[bench].size})".lower()).replace(" ", "-")
            parts.append(section(results[bench]).replace("[Details]", f"[Details](benchmarks.md#{anchor})"))
    return "\n".join(parts)


def _budget(result: Result) -> str:
    rows = []
    for row in result.summary["transfer"]:
        figures = row["figures"]
        shown = [figures[f"{name}, person"]["mean"] for name in ("SSIM", "PSNR", "perceptual", "flicker")]
        rows.append([f"{row['budget']}, {row['method']}", *map(number, shown)])
    head = ["training", "SSIM ↑", "PSNR, dB ↑", "perceptual distance ↓", "flicker, times the truth's ↓"]
    return f"""\
## Quality for the training time

A person dances what another person dances, after so much training on 20 seconds of footage. Means over three people, in the
person's box. *paper* is the system of Everybody Dance Now with {result.settings["paper_width"]:g} of its channels at
{result.settings["paper_px"]} px, a size in which it learns faster than at its own.
[Details].

{table(head, rows)}
"""


def _speed(result: Result) -> str:
    labels = {
        "generate": "generator only",
        "poses known": "video to video, poses known",
        "whole way": "video to video, everything",
        "training": "training steps",
    }
    rows = [
        [label, *(number(result.summary[stage][system]["median"]) for system in ("draft", "paper"))]
        for stage, label in labels.items()
    ]
    return f"""\
## Speed

Frames per second, and training steps per second. *paper* is the paper's network with {result.settings["paper_width"]:g} of its
channels at {result.settings["paper_px"]} px. [Details].

{table(["stage", "draft", "paper"], rows)}
"""


def _growth(result: Result) -> str:
    whole = result.summary["whole"]
    size_px, _, _ = rendered_videos(result.settings)
    return f"""\
## Long videos

- **Time:** each further frame of a {size_px} px video costs {number(whole["ms_a_frame"])} ms, from file to file.
  [Details].
"""


def _memory(result: Result) -> str:
    ratio = result.summary["peak_ratio"]["whole"]
    return f"""\
- **Memory:** a video that is {result.summary["frames_ratio"]:g} times as long needs {number(ratio)} times the memory.
  [Details].
"""


def _drift(result: Result) -> str:
    ours = result.summary["ours"]
    change = ours["change"]
    return f"""\
- **Drift:** from the first to the last seconds of a {ours["seconds"]:g} s video, SSIM changes by {change["SSIM"]:+.2%} and
  perceptual distance by {change["perceptual"]:+.2%}. [Details].
"""


def _normalize(result: Result) -> str:
    rows = [
        [
            f"`{RENAMED.get(name, name)}`",
            *(f"{result.summary[part][name]['keypoint_error']['mean']:.2%}" for part in ("exact", "detected")),
        ]
        for name in result.summary["exact"]
    ]
    return f"""\
## Retargeting

Distance of keypoints from the truth after each `--normalize`, as a fraction of body height.
[Details].

{table(["method", "from exact poses ↓", "from detected poses ↓"], rows)}
"""


def _forensics(result: Result) -> str:
    overall = result.summary["shipped"]["over all"]
    accuracy, auc = number(overall["accuracy"]), number(overall["auc"])
    real, synthetic = f"{overall['real']:.1%}", f"{overall['synthetic']:.1%}"
    return f"""\
## Forgery classifier

On {overall["clips"]} videos of people that it never saw, balanced accuracy is {accuracy} and AUC is {auc}. {real} of the real
ones are called real, {synthetic} of the synthetic ones are found. "Real" means rendered without a generator, not filmed: do not
accuse anybody by it. [Details].
"""


SECTIONS: Final[Mapping[str, Callable[[Result], str]]] = {
    "budget": _budget,
    "speed": _speed,
    "growth": _growth,
    "memory": _memory,
    "drift": _drift,
    "normalize": _normalize,
    "forensics": _forensics,
}
