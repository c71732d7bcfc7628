"""Sections on cost: time, memory, inference backends, and drift in long videos."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dancenow.research.bench.results import Result
from dancenow.research.bench.tables import mean_and_spread, number, table

_STAGE_TITLES: Final = {
    "whole way": "end to end", "poses known": "end to end, poses cached", "whole way, GPU MB": "end to end, GPU MB",
}  # fmt: skip


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
        rows.append([_STAGE_TITLES.get(stage, stage), *shown, *(f"{ratios[x]:.3g}" if x in ratios else "" for x in ours)])
    named = " and ".join(_network(name, px) for name, px in s["networks"]) if "networks" in s else f"`{s['ours']}`"
    about = (
        f"Ours ({named}) compared with the paper's networks at {s['paper_width']:g} of the published channels and"
        f" {s['paper_px']} px, both in plain PyTorch, in the same run: {s['repetitions']} alternating repetitions; median"
        " ± standard deviation. In frames of the dance per second; training in steps per second (a step of ours sees several"
        " clips, one of the paper's sees one). Detection and encoding are the same for all; end to end is from file to file,"
        " including the loading of networks, on"
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
        place = "on the GPU, where wall-clock times are compared"
    networks = s.get("networks") or [s["ours"]]
    names = (
        f"generator of the preset {networks[0]}" if len(networks) == 1 else f"generators of the presets {', '.join(networks)}"
    )
    about = (
        f"The {names} with random weights, backends alternating image by image, {place}."
        f" PSNR: the lowest of any image of a dance of {s['rollout']} frames, compared with float32."
    )
    if papers:
        about += f" The paper's network, at {s['paper_width']:g} of the published channels, runs in plain PyTorch."
    heads = ["backend", "processor ms per image", "speed relative to float32", *papers, "wall-clock ms", "s to the first image"]
    return f"{about}\n\n{table([*heads, 'PSNR, dB ↑'], rows)}\n"


def _decibels(row: Mapping[str, Any]) -> str:
    return "-" if row["psnr_db"] is None else number(row["psnr_db"])


def memory(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["peak_mb"]), number(c["generation"]["peak_mb"])] for c in result.records]
    s = result.summary
    ratio = s["peak_ratio"]
    about = (
        "Peak resident memory in MB of a transfer in its own process; end to end with the detector, and generation alone"
        f" (poses known). {s['frames_ratio']:g} times the frames take {ratio['whole']:g} and {ratio['generation']:g}"
        " times the memory."
    )
    return f"{about}\n\n{table(['frames', 'whole transfer', 'generation alone'], rows)}\n"


def growth(result: Result) -> str:
    rows = [[f"{c['frames']}", number(c["whole"]["seconds"]), number(c["generation"]["seconds"])] for c in result.records]
    w, g = result.summary["whole"], result.summary["generation"]
    about = (
        f"Seconds per transfer, without Python's start-up. Each further frame costs {w['ms_a_frame']:g} ms end to end and"
        f" {g['ms_a_frame']:g} ms in generation alone."
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
        f"{record['method']} {' and '.join('-' if mb is None else number(mb) for mb in record['memory_mb'])} MB"
        for record in result.records
    )
    about = (
        f"One dance repeated forwards and backwards, generation alone ({lengths}); the last pass compared with the first, in"
        f" the person's box against the ground truth. Trained {s['budget']}, one seed; sharpness and flicker are relative to"
        f" the truth's. Memory after the first and after the last pass: {memory}."
    )
    return f"{about}\n\n{table(['', 'first', 'last', 'change'], rows)}\n"
