"""Measure with rendered truth how well a person stays in a video in which the one beside them is replaced.

Usage: python -m dancenow.research.recipes.staying_person FOLDER OUT.json DUET MODEL MODEL

DUET is one of `rendered_duet.DUETS`, and the models are of its two people, in their order. Each of the two is replaced by the
model of the same person while the other one stays, so that the truth is the video itself. Compared is the one who stays, inside
the true mask of what is seen of them: while the two are apart, and in front of the new dancer and behind while they touch.
FOLDER keeps the clips and the results.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow import pipeline
from dancenow.media.source import open_video, read_frames
from dancenow.metrics.images import LEVELS
from dancenow.pose.people_tracks import detect_people
from dancenow.research.bench.results import measurement_info
from dancenow.research.recipes.rendered_duet import DUETS, Duet, render_duet, ssim_inside
from dancenow.storage.atomic_io import complete_or_absent

_BAD_LEVELS: Final = 40
"""A pixel whose color is off by more shows something else."""
_PLACES: Final = ("apart", "in front", "behind")


def measure_staying(duet: Duet, replaced: int, number: int, model: Path, out: Path) -> dict[str, Any]:
    """PSNR in dB, SSIM and share of wrong pixels of the one who stays, by place.

    replaced: which of the two is replaced. number: theirs in the video. out: the rendered video.
    """
    video = pipeline.transfer(duet.video, {number: model}, out, scene="source").video
    stays = 1 - replaced
    squares, similar, wrong, pixels = ({place: list[float]() for place in _PLACES} for _ in range(4))
    for shown, true in zip(read_frames(video), read_frames(duet.video), strict=True):
        seen, place = duet.seen(stays, true.index), _place(duet, stays, true.index)
        if place is None or not seen.any():
            continue
        error = np.abs(shown.image_rgb.astype(np.float64) - true.image_rgb)[seen]
        squares[place].append(float(np.square(error).mean(axis=1).sum()))
        wrong[place].append(float((error.max(axis=1) > _BAD_LEVELS).sum()))
        pixels[place].append(float(seen.sum()))
        similar[place].append(ssim_inside(shown.image_rgb, true.image_rgb, seen))
    return {
        place: {
            "frames": len(pixels[place]),
            "psnr_db": round(float(10 * np.log10(LEVELS**2 / max(sum(squares[place]) / sum(pixels[place]), 1e-9))), 2),
            "ssim": round(float(np.mean(similar[place])), 4),
            "wrong_pixels": round(sum(wrong[place]) / sum(pixels[place]), 4),
            "wrong_pixels_of_the_worst_frame": round(float(np.max(_ratio(wrong[place], pixels[place]))), 4),
        }
        for place in _PLACES
        if pixels[place]
    }


def _ratio(parts: list[float], wholes: list[float]) -> NDArray[np.float64]:
    return np.asarray(np.array(parts) / np.array(wholes), np.float64)


def _place(duet: Duet, number: int, frame: int) -> str | None:
    """Where one of the two is; None if both touch and are about equally far."""
    if not duet.touch(frame):
        return "apart"
    nearer = int(duet.in_front[frame])
    return None if nearer < 0 else "in front" if nearer == number else "behind"


def numbers_of(duet: Duet) -> tuple[int, int]:
    """The number of each of the two in the video."""
    tracks = detect_people(open_video(duet.video), {1: None, 2: None})
    middle = np.stack([[frame.pose.xy[:, 0].mean() for frame in part] for part in duet.parts])
    first = np.abs(tracks[1].pose.xy[..., 0].mean(axis=1) - middle).mean(axis=1)
    return (1, 2) if first[0] < first[1] else (2, 1)


def main() -> None:
    """Measure both and write it."""
    folder, out, plan = Path(sys.argv[1]), Path(sys.argv[2]), DUETS[sys.argv[3]]
    models = [Path(model) for model in sys.argv[4:]]
    folder.mkdir(parents=True, exist_ok=True)
    duet = render_duet(plan, folder)
    numbers = numbers_of(duet)
    result = {
        "measured_on": measurement_info(),
        "duet": {"people": plan.people, "dances": plan.dances, "room": plan.room},
        "the_one_who_stays": {
            plan.people[1 - part]: measure_staying(duet, part, numbers[part], models[part], folder / f"stays-{1 - part}.mp4")
            for part in (0, 1)
        },
    }
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
