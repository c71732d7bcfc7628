"""How close each retargeting brings a source person's keypoints to those of the target performing the same dance.

The truth is rendered: the same dance on the target's body in front of the target's camera. The retargeter is fitted on footage
of another dance. Measured with exact keypoints, with detected ones on the ablation's test set, and on generated images.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache, partial
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dancenow.errors import UserError
from dancenow.media.source import VideoSource
from dancenow.metrics.poses import foot_sliding, ground_error
from dancenow.pose.body_statistics import body_statistics
from dancenow.pose.pipeline import detect_poses
from dancenow.pose.retargeting.registry import FITS, RetargetingKind, fit_retargeter
from dancenow.progress import ProgressCallback, track
from dancenow.research.bench.ground_truth_clips import read_exact_track
from dancenow.research.bench.jobs import Job, Record, run_jobs
from dancenow.research.bench.normalized_images import measure_images, summarize_images
from dancenow.research.bench.results import Result, Size
from dancenow.research.bench.sizes import NORMALIZE, NormalizeSize
from dancenow.research.studio.clip import exact_track
from dancenow.research.studio.scene import ROOMS, Room
from dancenow.subject.same_camera import background_view, is_same_camera, same_camera
from dancenow.types import PoseTrack

SIZE_PX: Final = 512
FPS: Final = 24
ROOM_PAIR: Final = ("bright", "loft")
"""The source's and the target's room: two cameras of different height, distance and focal length."""


@dataclass(frozen=True, eq=False)
class Setup:
    """One transfer. source: the dance; footage: the target track for fitting; truth: the dance on the target's body.
    same_camera: whether one camera filmed source and footage, as a transfer detects it from the images."""

    name: str
    source: PoseTrack
    footage: PoseTrack
    truth: PoseTrack
    same_camera: bool | None


def bench_normalize(size: Size, on_progress: ProgressCallback, only: Sequence[str] = ()) -> Result:
    """Measure every retargeting kind on every pair; only: as in `jobs.run_jobs`.

    Raises:
        UserError: the studio's packages are missing, or a clip of $DANCENOW_DATA cannot be used.
    """
    sized = NORMALIZE[size]
    if sized.detected is not None and not only:
        sized.detected.build(on_progress)
    jobs = [
        Job("normalize", {"data": "exact", "source": a, "target": b, "size": size}, partial(_measure_exact, sized, a, b), 3)
        for a, b in permutations(sized.identities, 2)
    ]
    cases = sized.detected.cases if sized.detected is not None else ()
    jobs += [
        Job("normalize", {"data": "detected", "source": "several", "target": each.name, "size": size},
             partial(_measure_detected, sized, number), 12)
        for number, each in enumerate(cases)
    ]  # fmt: skip
    jobs += _filmed_jobs()
    if sized.image_budget is not None:
        shown = {"data": "pictures", "source": "several", "budget": sized.image_budget, "size": size}
        jobs += [
            Job("normalize", {**shown, "target": each.name}, partial(measure_images, sized, each), sized.images_s)
            for each in cases
        ]
    records = run_jobs("normalize", jobs, on_progress, only)
    summary: dict[str, Any] = {}
    for data in dict.fromkeys(record["data"] for record in records):
        own = [record for record in records if record["data"] == data]
        summary[data] = summarize_images(own) if data == "pictures" else summarize(own, data)
    return Result.from_records("normalize", size, (0,), asdict(sized), records, summary)


def summarize(records: Sequence[Mapping[str, Any]], data: str) -> dict[str, dict[str, dict[str, float | None]]]:
    """Per retargeting kind and metric: mean and standard deviation over pairs of bodies, each a mean over its setups."""
    pairs = [list(record["rows"]) for record in records if record["data"] == data]
    kinds = list(dict.fromkeys(row["normalize"] for pair in pairs for row in pair))
    summary: dict[str, dict[str, dict[str, float | None]]] = {}
    for kind in kinds:
        for metric in ("keypoint_error", "worst_part_error", "foot_sliding", "ground_error"):
            means = [_mean([row[metric] for row in pair if row["normalize"] == kind]) for pair in pairs]
            known = [mean for mean in means if mean is not None]
            spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
            summary.setdefault(kind, {})[metric] = {"mean": _mean(known), "spread": spread}
    return summary


def measure_setup(setup: Setup, kind: RetargetingKind) -> dict[str, Any]:
    """Measure one retargeting kind on one setup.

    keypoint_error: mean distance to the truth, as a fraction of the true body's height (nose to ankle). worst_part_error: of
    the worst keypoint on average. foot_sliding: torso lengths per second; `true_sliding` is the truth's own. ground_error:
    torso lengths. If the retargeter cannot be fitted, `refused` gives the reason.
    """
    try:
        moved = fit_retargeter(kind, setup.source, setup.footage, setup.same_camera)(setup.source.pose)
    except UserError as error:
        return {"setup": setup.name, "normalize": kind, "refused": str(error)} | dict.fromkeys(_FIGURES)
    truth = setup.truth
    result = PoseTrack(moved, truth.time_s, setup.source.status, truth.width_px, truth.height_px, "normalized", "")
    both_visible = (truth.pose.confidence >= 0.3) & (moved.confidence >= 0.3)
    distance = np.where(both_visible, np.linalg.norm(moved.xy.astype(np.float64) - truth.pose.xy, axis=2), np.nan)
    height_px = body_statistics(truth).height_px
    metrics = (
        _finite_mean(distance) / height_px,
        max((_finite_mean(column) for column in distance.T if np.isfinite(column).any()), default=np.nan) / height_px,
        _finite_mean(foot_sliding(result, truth)),
        _finite_mean(foot_sliding(truth, truth)),
        _finite_mean(ground_error(result, truth)),
    )
    return {"setup": setup.name, "normalize": kind} | {n: _rounded(v) for n, v in zip(_FIGURES, metrics, strict=True)}


def _finite_mean(values: NDArray[Any]) -> float:
    """Mean of the finite values; NaN if there are none, as for keypoints that are never visible."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _rounded(metric: float) -> float | None:
    return round(float(metric), 5) if np.isfinite(metric) else None


_FIGURES: Final = ("keypoint_error", "worst_part_error", "foot_sliding", "true_sliding", "ground_error")


def _rows(setups: Iterator[Setup], on_progress: ProgressCallback) -> Record:
    kinds = list(FITS)
    return {"rows": [measure_setup(setup, kind) for setup in track(setups, "fitting", None, on_progress) for kind in kinds]}


def _measure_exact(sized: NormalizeSize, source: str, target: str, _folder: Path, on_progress: ProgressCallback) -> Record:
    return _rows(_exact_setups(sized, source, target), on_progress)


def _exact_setups(sized: NormalizeSize, source: str, target: str) -> Iterator[Setup]:
    """Every dance, with footage of the next one, at all pairs of camera distances that include the near one."""
    near = sized.distances[0]
    pairs = [(near, near), *((near, far) for far in sized.distances[1:]), *((far, near) for far in sized.distances[1:])]
    for number, dance in enumerate(sized.dances):
        own = sized.dances[(number + 1) % len(sized.dances)]
        for source_far, target_far in pairs:
            yield Setup(
                f"{dance} by {own}, camera {source_far:g} to {target_far:g}",
                _exact(source, dance, ROOM_PAIR[0], source_far, sized.seconds),
                _exact(target, own, ROOM_PAIR[1], target_far, sized.seconds),
                _exact(target, dance, ROOM_PAIR[1], target_far, sized.seconds),
                same_camera=False,
            )


@cache
def _exact(identity: str, dance: str, room: str, distance: float, seconds: float) -> PoseTrack:
    seen_from = move_camera_back(ROOMS[room], distance)
    return exact_track(identity, dance, seen_from, fps=Fraction(FPS), width_px=SIZE_PX, height_px=SIZE_PX, seconds=seconds)


def move_camera_back(room: Room, factor: float) -> Room:
    """Move the room's camera `factor` times as far away, at the same height."""
    x, y, z = room.camera.position
    at_x, at_y, _ = room.camera.target
    position = (at_x + factor * (x - at_x), at_y + factor * (y - at_y), z)
    return replace(room, camera=replace(room.camera, position=position))


def _measure_detected(sized: NormalizeSize, number: int, _folder: Path, on_progress: ProgressCallback) -> Record:
    test_set = sized.detected
    assert test_set is not None
    case = test_set.cases[number]

    def setups() -> Iterator[Setup]:
        subject = test_set.subject(case, on_progress)
        for dance in case.dances:
            video = test_set.clip(dance).video
            source, truth = (
                detect_poses(each, on_progress=on_progress) for each in (video, test_set.clip(case.truth(dance)).video)
            )
            same = is_same_camera(VideoSource.open(video), source, subject.plate)
            yield Setup(f"{dance.dance} by {dance.identity}", source, subject.track, truth, same)

    return _rows(setups(), on_progress)


def _filmed_jobs() -> list[Job]:
    """Clips in DANCENOW_DATA: NAME_id0.mp4 and NAME_id1.mp4 show the same dance on two bodies, frame by frame; also with exact
    keypoints if the npz files exist (`ground_truth_clips.read_exact_track`)."""
    folder = Path(os.environ.get("DANCENOW_DATA") or "/nonexistent")
    videos = {path.stem: path for path in sorted(folder.rglob("*_id[01].mp4"))}
    dances = [stem.removesuffix("_id0") for stem in videos if stem.endswith("_id0")]
    sources: tuple[tuple[str, Callable[[Path, ProgressCallback], PoseTrack]], ...] = (
        ("DANCENOW_DATA", _detected),
        ("DANCENOW_DATA, exact", _exact_beside),
    )
    return [
        Job("normalize", {"data": data, "source": f"{dance}_{a}", "target": f"{own}_{b}"},
             partial(_measure_filmed, read, videos, dance, own, a, b), 30 if read is _detected else 3)
        for data, read in sources
        for dance, own in permutations(dances, 2)
        for a, b in (("id0", "id1"), ("id1", "id0"))
        if {f"{dance}_{a}", f"{own}_{b}", f"{dance}_{b}"} <= set(videos)
        and (read is _detected or all(videos[stem].with_suffix(".npz").is_file() for stem in (f"{dance}_{a}", f"{own}_{b}")))
    ]  # fmt: skip


def _detected(video: Path, on_progress: ProgressCallback) -> PoseTrack:
    return detect_poses(video, on_progress=on_progress)


def _exact_beside(video: Path, _on_progress: ProgressCallback) -> PoseTrack:
    return read_exact_track(video.with_suffix(".npz"), video)


def _measure_filmed(
    read: Callable[[Path, ProgressCallback], PoseTrack], videos: Mapping[str, Path], dance: str, own: str, a: str, b: str,
    _folder: Path, on_progress: ProgressCallback,
) -> Record:  # fmt: skip
    source, footage, truth = (read(videos[stem], on_progress) for stem in (f"{dance}_{a}", f"{own}_{b}", f"{dance}_{b}"))
    views = [
        background_view(VideoSource.open(videos[stem]), track)
        for stem, track in ((f"{dance}_{a}", source), (f"{own}_{b}", footage))
    ]
    same = same_camera(*views)
    return _rows(iter([Setup(f"{dance} by {own}", source, footage, truth, same)]), on_progress)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None
