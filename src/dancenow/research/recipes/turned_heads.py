"""Measure the face network by the view of the head, on frames of a subject that its model did not see.

    python -m dancenow.research.recipes.turned_heads RESULT.json NAME=SUBJECT,MODEL[,START,STOP] ...

Every held-out frame (or the frames START to before STOP) is rendered from its own pose: the body alone, with the face refined
in every frame whose pose shows a face, and refined as a transfer does it, only in views that the footage shows. The window
around the head is compared with the recorded frame. A face counts as wrongly painted where its SSIM is below that of the
body's own head: the perceptual distance also rewards a sharp face in a wrong place.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.errors import OptionError
from dancenow.evaluation.frame_metrics import region_to_tensor
from dancenow.execution import Execution
from dancenow.face.face_crop import crop_face
from dancenow.face.face_track import YAW
from dancenow.face.face_tracking import extract_faces
from dancenow.face.refinement import FaceModel, FaceRefiner
from dancenow.generators.registry import load_model, renderer_of
from dancenow.metrics.images import ssim_map
from dancenow.metrics.perceptual import PerceptualDistance
from dancenow.metrics.st_lpips import StLpips
from dancenow.pose.pipeline import PosePipeline
from dancenow.progress import ignore_progress
from dancenow.rendering.renderer import render_video
from dancenow.research.bench.results import measurement_info
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.subject.subject import Subject
from dancenow.types import FloatArray, ImageRGB

VIEWS: Final[Mapping[str, tuple[float, float]]] = {"front": (0, 40), "turned": (40, 90), "away": (90, 181)}
"""Range of the yaw, in degrees to either side, of each row of the result."""
METHODS: Final = ("body", "every face", "seen views")
_SHOWN: Final = 0.25
"""Weight from which a refinement is visible."""


@dataclass(frozen=True, eq=False)
class HeadScores:
    """Distances of one frame's head to the truth, per method: perceptual, ST-LPIPS and SSIM. yaw_deg: of the true head."""

    yaw_deg: float
    shown: tuple[float, float, float]
    perceptual: tuple[float, float, float]
    st_lpips: tuple[float, float, float]
    ssim: tuple[float, float, float]


def measure(subject: Subject, model: Path, start: int, stop: int) -> Iterator[HeadScores]:
    """Render the frames [start, stop) of a subject with a model, and compare every head with the recorded one."""
    checkpoint, execution = load_model(model), Execution.auto()
    face_model = FaceModel.load(checkpoint, execution.torch_device)
    if face_model is None:
        raise OptionError(f"{model} has no face network.")
    renderer, poses = renderer_of(checkpoint, execution), PosePipeline.create()
    view, track = renderer.target.view("still"), subject.track
    with closing(render_video(renderer, view, poses.for_rendering(track), start, stop)) as images:
        body = list(images)
    refiner = FaceRefiner.from_tracks(face_model, subject.track, track, subject.source, view, execution, ignore_progress)
    assert refiner is not None
    seen = refiner.weights
    every = refiner.faces.valid.astype(np.float32)
    results = [body]
    for weights in (every, seen):
        refiner.weights = weights
        results.append(list(refiner.refine(iter(body), start, stop)))
    yield from _compare(subject, results, (np.zeros_like(every), every, seen), start, stop)


def _compare(
    subject: Subject, results: list[list[ImageRGB]], shown: tuple[FloatArray, ...], start: int, stop: int
) -> Iterator[HeadScores]:
    perceptual, st_lpips = PerceptualDistance(), StLpips.pretrained()
    truth = extract_faces(subject.source, subject.track)
    for frame in subject.read_frames(start, stop):
        t, crop = frame.index, truth.crop(frame.index)
        real = crop_face(frame.image_rgb, crop)
        heads = [crop_face(images[t - start], crop) for images in results]
        with torch.inference_mode():
            pairs = [(region_to_tensor(head, "face"), region_to_tensor(real, "face")) for head in heads]
            far, lpips = ([float(metric(*pair)) for pair in pairs] for metric in (perceptual, st_lpips))
        like = [float(ssim_map(head, real).mean()) for head in heads]
        yaw_deg = float(np.degrees(truth.expression[t, YAW]))
        weights = [float(each[t]) for each in shown]
        yield HeadScores(yaw_deg, *(_three(each) for each in (weights, far, lpips, like)))


def _three(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third


def summarize(scores: list[HeadScores]) -> dict[str, Any]:
    """Per view the number of frames, and per method the mean distances, faces shown, and faces that made it worse."""
    yaw = np.abs([each.yaw_deg for each in scores])
    table: dict[str, NDArray[np.float64]] = {
        name: np.array([getattr(each, name) for each in scores]) for name in ("shown", "perceptual", "st_lpips", "ssim")
    }
    result: dict[str, Any] = {}
    for view, (low, high) in VIEWS.items():
        rows = (yaw >= low) & (yaw < high)
        if not rows.any():
            continue
        worse = (table["shown"] >= _SHOWN) & (table["ssim"] < table["ssim"][:, :1])
        result[view] = {"frames": int(rows.sum())} | {
            method: {
                "perceptual": round(float(table["perceptual"][rows, m].mean()), 4),
                "ST-LPIPS": round(float(table["st_lpips"][rows, m].mean()), 4),
                "SSIM": round(float(table["ssim"][rows, m].mean()), 4),
                "refined": int((table["shown"][rows, m] >= _SHOWN).sum()),
                "wrongly painted": int(worse[rows, m].sum()),
            }
            for m, method in enumerate(METHODS)
        }
    return result


def main() -> None:
    """Measure every subject that is named, and write the result."""
    out, rows = Path(sys.argv[1]), {}
    for each in sys.argv[2:]:
        name, rest = each.split("=", 1)
        folder, model, *frames = rest.split(",")
        subject = Subject.open(Path(folder))
        held_out = np.flatnonzero(subject.manifest.in_split("val", subject.track.time_s))
        start, stop = map(int, frames) if frames else (int(held_out[0]), int(held_out[-1]) + 1)
        rows[name] = {"frames": [start, stop], "views": summarize(list(measure(subject, Path(model), start, stop)))}
    result = {"methods": METHODS, "views_deg": VIEWS, **measurement_info(), "subjects": rows}
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
