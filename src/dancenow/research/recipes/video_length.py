"""What a minute of video costs in dances of 1 to 64 minutes: `python -m dancenow.research.recipes.video_length -o RESULT.json`.

Each dance is a short rendered clip, repeated, with fewer frames a second than film, so that the longest one takes minutes and
not hours; the cost of a frame is the same. Each transfer runs in its own process with an empty cache. Results so far are kept
when the recipe is stopped.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from dancenow.progress import ProgressCallback, ignore_progress
from dancenow.research.bench.length import empty_cache, loop_video, timed_transfer, untrained_model
from dancenow.research.bench.results import measurement_info
from dancenow.research.bench.sizes import LENGTH
from dancenow.storage.atomic_io import complete_or_absent

_SIZE: Final = "laptop"
_MB: Final = 1e6


@dataclass(frozen=True)
class Options:
    """out: the JSON to write. minutes: lengths of the dances. fps: their frames a second."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    minutes: tuple[float, ...] = (1, 4, 16, 64)
    fps: int = 6


def measure_length(clip: Path, model: Path, minutes: float, fps: int, on_progress: ProgressCallback) -> dict[str, Any]:
    """Transfer one dance of this length: its cost, also per minute of video.

    Raises:
        UserError: the transfer failed.
    """
    with tempfile.TemporaryDirectory(prefix="dancenow-length-") as text:
        dance, out = Path(text) / "dance.mp4", Path(text) / "out.mp4"
        loop_video(clip, round(60 * minutes * fps), dance, fps=Fraction(fps))
        with empty_cache(on_progress) as cache:
            found = timed_transfer(dance, model, out, cache)
            cache_mb = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) / _MB
        return {
            "minutes": minutes,
            **found,
            "seconds_per_minute": round(found["seconds"] / minutes, 2),
            "cpu_s_per_minute": round(found["cpu_s"] / minutes, 2),
            "ms_per_frame": round(1000 * found["seconds"] / found["frames"], 2),
            "cpu_ms_per_frame": round(1000 * found["cpu_s"] / found["frames"], 2),
            "result_mb": round(out.stat().st_size / _MB, 2),
            "cache_mb": round(cache_mb, 2),
            "load_average_of_the_machine": round(os.getloadavg()[0], 2),
        }


def further_frames(shortest: dict[str, Any], length: dict[str, Any]) -> dict[str, float]:
    """What each frame costs that a dance has more than the shortest one, without start and end of the command."""
    more = length["frames"] - shortest["frames"]
    if not more:
        return {}
    ms, cpu_ms = (1000 * (length[name] - shortest[name]) / more for name in ("seconds", "cpu_s"))
    return {"ms_per_further_frame": round(ms, 2), "cpu_ms_per_further_frame": round(cpu_ms, 2)}


def main() -> None:
    """Measure all lengths, shortest first."""
    options, sized = tyro.cli(Options, description=__doc__), LENGTH[_SIZE]
    sized.test_set.build(ignore_progress)
    clip = sized.test_set.clip(sized.test_set.cases[0].footage, ignore_progress).video
    model = untrained_model(sized.test_set, sized.ours, ignore_progress)
    result: dict[str, Any] = {
        "what": "transfers of dances of several lengths, each in its own process with an empty cache; cpu: of all its threads",
        "measured_on": measurement_info(),
        "preset": sized.ours,
        "frame_px": sized.test_set.video_format.size_px,
        "fps": options.fps,
        "lengths": [],
    }
    for minutes in sorted(options.minutes):
        result["lengths"].append(measure_length(clip, model, minutes, options.fps, ignore_progress))
        result["lengths"][-1] |= further_frames(result["lengths"][0], result["lengths"][-1])
        print(json.dumps(result["lengths"][-1]), flush=True)
        with complete_or_absent(options.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
