"""What it takes: time, memory, engines, and whether a long video ends as it began."""

from collections.abc import Mapping, Sequence
from typing import Any

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread, number, table


def speed(result: Result) -> str:
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


def engines(result: Result) -> str:
    papers = list(dict.fromkeys(key for row in result.summary.values() for key in row if key.startswith("times ")))
    rows = [
        [
            name, number(row["cpu_ms"]), number(row["ratio"]), *(number(row[key]) if key in row else "" for key in papers),
            number(row["wall_ms"]), number(row["build_s"]), _decibels(row),
        ]
        for name, row in result.summary.items()
    ]  # fmt: skip
    s = result.settings
    cell = result.records[0]
    threads = cell["threads"]
    place = f"{threads} thread{'s' if threads > 1 else ''}"
    if cell.get("device") == "cuda":
        place = "on the GPU, where times are compared by the clock"
    networks = s.get("networks") or [s["ours"]]
    names = (
        f"generator of the preset {networks[0]}" if len(networks) == 1 else f"generators of the presets {', '.join(networks)}"
    )
    about = (
        f"The {names} with random weights, picture by picture, engines in turn, {place}."
        f" PSNR: the lowest of any picture of a dance of {s['rollout']} frames against float32."
    )
    if papers:
        about += f" The paper's network, with {s['paper_width']:g} of the published channels, is as PyTorch runs it."
    heads = ["engine", "processor ms a picture", "times float32", *papers, "ms by the clock", "s to the first picture"]
    return f"{about}\n\n{table([*heads, 'PSNR, dB ↑'], rows)}\n"


def _decibels(row: Mapping[str, Any]) -> str:
    return "-" if row["psnr_db"] is None else number(row["psnr_db"])


def memory(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["peak_mb"]), number(c["generation"]["peak_mb"])] for c in result.records]
    s = result.summary
    ratio = s["peak_ratio"]
    about = (
        "Peak resident memory of a transfer in a process of its own, in MB; the whole way with the detector, and generation"
        f" alone (poses known). {s['frames_ratio']:g} times the frames take {ratio['whole']:g} and {ratio['generation']:g}"
        " times the memory."
    )
    return f"{about}\n\n{table(['frames', 'whole transfer', 'generation alone'], rows)}\n"


def growth(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["seconds"]), number(c["generation"]["seconds"])] for c in result.records]
    w, g = result.summary["whole"], result.summary["generation"]
    about = (
        f"Seconds of a transfer, without Python's own start. Each further frame costs {w['ms_a_frame']:g} ms on the whole way"
        f" and {g['ms_a_frame']:g} ms in generation alone."
    )
    return f"{about}\n\n{table(['frames', 'whole transfer, s', 'generation alone, s'], rows)}\n"


def drift(result: Result) -> str:
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
        for cell in result.records
    )
    about = (
        f"One dance again and again, forwards and backwards in turn, generation alone ({lengths}); the last time beside the"
        f" first, against the truth in the person's box. Trained {s['budget']}, one seed; sharpness is a share of the truth's,"
        f" flicker a multiple of it. Memory after the first and after the last time: {memory}."
    )
    return f"{about}\n\n{table(['', 'first', 'last', 'change'], rows)}\n"
