"""Measure several dancers against rendered truth: who is who, who is in front, how good each one is, and what each one costs.

Usage: python -m dancenow.research.recipes.several_dancers FOLDER OUT.json DUET MODEL=IDENTITY MODEL=IDENTITY [--cost]

Two rendered dancers walk around each other and cross twice, once each in front; DUET is one of `rendered_duet.DUETS`. Measured
are their detected poses against the exact ones, the order of their layers against their distance from the camera, and the two
models that take their places, together and each alone, against a rendering of the models' identities. FOLDER keeps the clips
and the results. With --cost, speed and memory are measured, too: those of the models' own dances at once, each number of
dancers in a process of its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.execution import Execution
from dancenow.generators.registry import load_model, renderer_of
from dancenow.media.source import open_video, read_frames
from dancenow.pose.people_tracks import detect_people
from dancenow.pose.pipeline import PosePipeline, detect_poses
from dancenow.rendering.depth_order import depth_lines
from dancenow.rendering.renderer import Dancer, render_dancers
from dancenow.research.bench.results import measurement_info
from dancenow.research.recipes.rendered_duet import DUETS, Duet, film_alone, render_duet, ssim_inside
from dancenow.research.studio.render import RenderedFrame
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.types import FrameStatus, ImageRGB, PoseTrack

_EVERY: Final = 3
_RENDERED: Final = (60, 180)
"""Frames of which speed and memory are measured."""


def measure_people(duet: Duet, people: tuple[str, str], alone: list[Path]) -> tuple[dict[str, Any], tuple[int, int]]:
    """Identities and order of the detected people; and the number of each of the two. people: their names.
    alone: videos of each by themselves.
    """
    tracks = [*detect_people(open_video(duet.video), {1: None, 2: None}).values()]
    errors = np.stack([[_errors_px(track, frames) for frames in duet.parts] for track in tracks])  # [number, part, T]
    first = int(np.nanmean(errors[0, 0]) > np.nanmean(errors[0, 1]))
    numbers = (1, 2) if first == 0 else (2, 1)
    own = np.stack([errors[number - 1, part] for part, number in enumerate(numbers)])
    other = np.stack([errors[number - 1, 1 - part] for part, number in enumerate(numbers)])
    lines = depth_lines([tracks[number - 1] for number in numbers])
    asked = duet.in_front >= 0
    touching = np.array([duet.touch(frame) for frame in range(len(asked))])
    wrong = lines.argmax(axis=0) != duet.in_front
    status = np.stack([track.status for track in tracks])
    return {
        "frames": len(asked),
        "found": [round(float((each == FrameStatus.MEASURED).mean()), 3) for each in status],
        "filled": [int((each == FrameStatus.FILLED).sum()) for each in status],
        "frames_of_the_wrong_person": int((own > other).sum()),
        "keypoint_error_px": {"all": round(float(np.nanmedian(own)), 2)}
        | {
            name: _error_where(duet, touching, own[part], _errors_px(detect_poses(alone[part]), duet.parts[part]), part)
            for part, name in enumerate(people)
        },
        "frames_in_which_they_touch": int(touching.sum()),
        "frames_in_wrong_order": int((wrong & asked).sum()),
        "frames_in_wrong_order_where_they_touch": int((wrong & asked & touching).sum()),
        "changes_of_order": int((np.diff(lines.argmax(axis=0)) != 0).sum()),
    }, numbers


def _errors_px(track: PoseTrack, frames: list[RenderedFrame]) -> NDArray[np.float64]:
    """Mean distance of all keypoints from the exact ones in each frame, [T]; NaN where nobody was found."""
    exact = np.stack([frame.pose.xy for frame in frames])
    distance = np.linalg.norm(track.pose.xy - exact, axis=-1).mean(axis=1)
    return np.where(track.status == FrameStatus.MISSING, np.nan, distance)


def _error_where(
    duet: Duet, touching: NDArray[np.bool_], together: NDArray[np.float64], alone: NDArray[np.float64], part: int
) -> dict[str, dict[str, float]]:
    """Median error of one of the two, beside the other and alone, while they are apart, and while one hides the other."""
    places = {
        "apart": ~touching,
        "in front": touching & (duet.in_front == part),
        "behind": touching & (duet.in_front == 1 - part),
    }
    return {
        place: {
            name: round(float(np.nanmedian(errors[frames])), 2) for name, errors in (("together", together), ("alone", alone))
        }
        for place, frames in places.items()
    }


def measure_models(
    duet: Duet, truth: Duet, models: tuple[Path, Path], numbers: tuple[int, int], alone: list[Path], folder: Path
) -> dict[str, Any]:
    """SSIM of each model in its part, where its identity is seen in the truth: together, and where each is filmed alone."""
    cast = dict(zip(numbers, models, strict=True))
    together = pipeline.transfer(duet.video, cast, folder / "together.mp4", scene="source").video
    single_videos = [
        pipeline.transfer(alone[part], model, folder / f"alone-{part}.mp4", scene="source").video
        for part, model in enumerate(models)
    ]
    result = {}
    for part, (model, single) in enumerate(zip(models, single_videos, strict=True)):
        scores = {name: _person_ssim(video, truth, part) for name, video in (("alone", single), ("together", together))}
        result[model.stem] = scores | {
            "change": {each: round(scores["together"][each] - scores["alone"][each], 4) for each in ("apart", "touching")}
        }
    return result


def _person_ssim(video: Path, truth: Duet, part: int) -> dict[str, float]:
    """Over the frames in which the two do not touch, and over the others."""
    scores: dict[bool, list[float]] = {False: [], True: []}
    for shown, true in zip(read_frames(video), read_frames(truth.video), strict=True):
        seen = truth.seen(part, true.index)
        if true.index % _EVERY == 0 and seen.any():
            scores[truth.touch(true.index)].append(ssim_inside(shown.image_rgb, true.image_rgb, seen))
    return {"apart": round(float(np.mean(scores[False])), 4), "touching": round(float(np.mean(scores[True])), 4)}


def measure_cost(models: tuple[Path, Path]) -> list[dict[str, float]]:
    """Frames a second and peak memory with one, two and three dancers, in a process each."""
    rows = []
    for dancers in (1, 2, 3):
        for frames in _RENDERED:
            words = [sys.executable, "-m", __spec__.name, "--render", str(dancers), str(frames), *map(str, models)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            rows.append({"dancers": dancers, "frames": frames, **json.loads(done.stdout.splitlines()[-1])})
    return rows


def render_at_once(count: int, frames: int, models: list[Path]) -> dict[str, float]:
    """Render the models' own dances at once, and measure it."""
    execution, dancers = Execution.auto("cpu"), list[Dancer]()
    for model in (models * count)[:count]:
        renderer = renderer_of(load_model(model), execution)
        track = PosePipeline.create().for_rendering(renderer.target.track.part(0, frames))
        first = dancers[0].view if dancers else renderer.target.view("still")
        dancers.append(Dancer(renderer, first, track))
    started = time.perf_counter()
    with closing(render_dancers(dancers)) as images:
        shown = _count(images)
    seconds = time.perf_counter() - started
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    peak_kb = next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return {"frames_per_second": round(shown / seconds, 2), "peak_mb": round(peak_kb / 1024)}


def _count(images: Iterator[ImageRGB]) -> int:
    return sum(1 for _ in images)


def main() -> None:
    """Measure everything and write it; or measure one rendering, for `measure_cost`."""
    if sys.argv[1] == "--render":
        print(json.dumps(render_at_once(int(sys.argv[2]), int(sys.argv[3]), [Path(model) for model in sys.argv[4:]])))
        return
    folder, out, plan = Path(sys.argv[1]), Path(sys.argv[2]), DUETS[sys.argv[3]]
    (one, first), (two, second) = (argument.split("=") for argument in sys.argv[4:6])
    models = Path(one), Path(two)
    folder.mkdir(parents=True, exist_ok=True)
    duet = render_duet(plan, folder)
    truth = duet if plan.people == (first, second) else render_duet(replace(plan, people=(first, second)), folder)
    alone = [film_alone(duet, part, folder / f"{name}.mp4") for part, name in enumerate(plan.people)]
    people, numbers = measure_people(duet, plan.people, alone)
    result: dict[str, Any] = {
        "measured_on": measurement_info(),
        "duet": {"people": plan.people, "dances": plan.dances, "room": plan.room},
        "people": people,
        "person_ssim": measure_models(duet, truth, models, numbers, alone, folder),
    }
    if "--cost" in sys.argv:
        result["cost"] = measure_cost(models)
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
