"""Train the network in `src/dancenow/assets/corrector.safetensors`, which removes a detector's bias from its tracks.

Usage: python -m dancenow.research.recipes.train_corrector STEP, where STEP is

    film [--part 0/2]    render random people and run the detector on them (needs the `studio` extra)
    train [-o FILE]      train the network on all but the first people
    measure [-o FOLDER]  measure those first people, the studio's, and clips of $DANCENOW_DATA

People, dances and cameras are random; the studio's six people and their dances are not among them, so they are a test.
Rendering takes about ten seconds per person on a core; an interrupted run resumes.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dancenow.assets import CORRECTOR
from dancenow.errors import UserError
from dancenow.pose.body_statistics import MIN_CONFIDENCE
from dancenow.pose.detectors.base import Landmarks
from dancenow.pose.detectors.bias_correction import correct_bias, load_corrector
from dancenow.pose.detectors.blazepose import BlazePose
from dancenow.pose.detectors.regions import RotatedRect
from dancenow.pose.filtering.smoothing import body_size, smooth
from dancenow.pose.pipeline import PosePipeline
from dancenow.pose.track_io import load_track, save_track
from dancenow.research.bench.ground_truth_clips import read_exact_track
from dancenow.research.bench.results import measurement_info, today
from dancenow.research.bench.sizes import BUDGET
from dancenow.research.recipes.bias_training import SMOOTHING, CorrectionConfig, CorrectionTask, example_of
from dancenow.research.studio.body import build_body
from dancenow.research.studio.choreography import Choreography
from dancenow.research.studio.motion import perform, solve
from dancenow.research.studio.random_sampling import random_dance, random_identity, random_room
from dancenow.research.studio.render import render
from dancenow.research.studio.scene import Room
from dancenow.skeleton import LIMB_NAMES, LIMBS, MIRROR, NUM_KEYPOINTS
from dancenow.storage.atomic_io import cache_dir, complete_or_absent
from dancenow.storage.checkpoint import save_checkpoint
from dancenow.training.loop import Clock
from dancenow.types import FrameStatus, ImageRGB, Pose, PoseTrack

SEED = 9000
LIVELY = 41
"""The number of people who perform `random_dance` unchanged. The others move more slowly, and most face the camera more."""
PEOPLE = 110
LONG_BONES = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("right", "left")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
TEST_SCENES = 8
FPS = 30.0
STEPS = 3000
_NOBODY = Pose(np.zeros((NUM_KEYPOINTS, 2), np.float32), np.zeros(NUM_KEYPOINTS, np.float32))


@dataclass(frozen=True, eq=False)
class Shot:
    """One person's clip: size_px square, number of frames, start_s in the dance; quality of its JPEG frames."""

    dance: Choreography
    room: Room
    size_px: int
    frames: int
    start_s: float
    quality: int


def random_shot(number: int, rng: np.random.Generator) -> Shot:
    """Draw a person's dance and how it is rendered."""
    dance, room = random_dance(f"dance {number}", 64, rng), random_room(rng)
    if number < LIVELY:
        return Shot(dance, room, 384, 300, 0.0, int(rng.integers(60, 96)))
    pace, turns = float(rng.choice([1.0, 0.75, 0.5, 0.3])), float(rng.choice([1.0, 0.3, 0.0]))
    front = float(rng.choice([0, 0, 0, rng.uniform(-180, 180)]))
    steps = [{**step, "facing": front + turns * step["facing"]} for step in dance.steps]
    calm = replace(dance, bpm=dance.bpm * pace, steps=steps)
    size_px, start_s = int(rng.integers(256, 449)), float(rng.uniform(0, 8))
    return Shot(calm, room, size_px, 150, start_s, int(rng.integers(60, 96)))


def film(options: argparse.Namespace) -> None:
    """Render all people without tracks, and save their detected, mirrored and exact tracks."""
    number, parts = (int(each) for each in options.part.split("/"))
    blaze = BlazePose(1)
    for person in range(number, PEOPLE, parts):
        if folder(person).is_dir():
            continue
        seed = person if person < LIVELY else person + 100 - LIVELY
        rng = np.random.default_rng(SEED + seed)
        body = build_body(random_identity(f"person {person}", rng))
        scene = random_shot(person, rng)
        source_track = solve(perform(scene.dance, FPS, scene.frames / FPS + 0.01, scene.start_s), body)
        detected, exact = MirroredDetector(blaze), []
        for frame in render(body, source_track, scene.room, scene.size_px, scene.size_px, seed=seed):
            packed = cv2.imencode(".jpg", frame.image_rgb, [cv2.IMWRITE_JPEG_QUALITY, scene.quality])[1]
            image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
            detected.detect(image)
            exact.append(frame.pose)
        with complete_or_absent(folder(person)) as temporary:
            temporary.mkdir()
            poses = {"seen": detected.poses, "mirrored": detected.mirrored, "exact": exact}
            for name, each in poses.items():
                save_track(temporary / f"{name}.npz", build_track(each, scene.size_px))
        print(person, f"{np.mean([each is not _NOBODY for each in detected.poses]):.0%} found", flush=True)


class MirroredDetector:
    """Track the person from frame to frame, and detect them in the mirrored image."""

    def __init__(self, blaze: BlazePose) -> None:
        self._blaze = blaze
        self._roi: RotatedRect | None = None
        self.poses: list[Pose] = []
        self.mirrored: list[Pose] = []

    def detect(self, image_rgb: ImageRGB) -> None:
        """Process the next frame."""
        found = self._landmarks(image_rgb)
        self._roi = found.next_roi if found else None
        self.poses.append(found.pose if found else _NOBODY)
        self.mirrored.append(self._mirrored_pose(image_rgb, found.roi) if found else _NOBODY)

    def _landmarks(self, image_rgb: ImageRGB) -> Landmarks | None:
        if self._roi is None:
            people = self._blaze.detect(image_rgb)
            if not people:
                return None
            self._roi = self._blaze.landmarks(image_rgb, people[0].roi).next_roi
        found = self._blaze.landmarks(image_rgb, self._roi)
        return found if found.score >= 0.5 else None

    def _mirrored_pose(self, image_rgb: ImageRGB, roi: RotatedRect) -> Pose:
        across_px = image_rgb.shape[1] - 1
        mirrored_roi = RotatedRect(across_px - roi.x_px, roi.y_px, roi.size_px, -roi.angle_rad)
        return unmirror_pose(self._blaze.landmarks(np.ascontiguousarray(image_rgb[:, ::-1]), mirrored_roi).pose, across_px)


def unmirror_pose(pose: Pose, across_px: int) -> Pose:
    """Map a pose from the mirror image, whose last column is across_px, to the original image."""
    xy = pose.xy[MIRROR].copy()
    xy[:, 0] = across_px - xy[:, 0]
    return Pose(xy, pose.confidence[MIRROR], pose.depth[MIRROR])


def build_track(poses: list[Pose], size_px: int) -> PoseTrack:
    """Build a track from poses."""
    pose = Pose(*(np.stack([getattr(each, name) for each in poses]) for name in ("xy", "confidence", "depth")))
    found = pose.confidence.max(axis=1) > 0
    status = np.where(found, FrameStatus.MEASURED, FrameStatus.MISSING).astype(np.uint8)
    return PoseTrack(pose, np.arange(len(poses)) / FPS, status, size_px, size_px, "recipe", "0" * 64)


def folder(person: int) -> Path:
    """Cache folder of a person's tracks."""
    return cache_dir("corrector") / f"{person:03d}"


def train(options: argparse.Namespace) -> None:
    """Train for a number of steps, so that the result does not depend on the machine's speed."""
    people = [person for person in range(PEOPLE) if folder(person).is_dir()]
    print(f"{len(people)} people", flush=True)
    examples = [
        example_of(load_track(folder(person) / f"{how}.npz"), load_track(folder(person) / "exact.npz"))
        for person in people
        if person >= TEST_SCENES
        for how in ("seen", "mirrored")
    ]
    task, start_s = CorrectionTask(examples, CorrectionConfig(), seed=SEED), time.perf_counter()
    for step in range(options.steps):
        terms = task.step(np.random.default_rng((SEED, step)), step / options.steps)
        if step % 500 == 499:
            clock = Clock(time.perf_counter() - start_s, (step + 1) * task.images_per_step)
            save_checkpoint(options.out or CORRECTOR, task.model(clock))
            load_corrector.cache_clear()
            found = [error(detected, exact, options.out or CORRECTOR) for _, detected, exact in held_out_clips()]
            now = {
                name: round(float(np.mean([each["corrected"][name] for each in found])), 3) for name in found[0]["corrected"]
            }
            print(step + 1, {name: round(value, 4) for name, value in terms.items()}, now, flush=True)


def held_out_clips() -> Iterator[tuple[str, PoseTrack, PoseTrack]]:
    """Yield the tracks of the people who are not in the training set: detected and exact."""
    for person in range(TEST_SCENES):
        yield f"random person {person}", load_track(folder(person) / "seen.npz"), load_track(folder(person) / "exact.npz")


def studio_clips() -> Iterator[tuple[str, PoseTrack, PoseTrack]]:
    """The studio's people."""
    test_set = BUDGET["laptop"].test_set
    for case in test_set.cases:
        for take in (case.footage, *case.dances):
            clip = test_set.clip(take)
            yield (
                f"{take.identity}, {take.dance}, {take.room}",
                PosePipeline.create().measure(clip.video),
                load_track(clip.track),
            )


def own_clips() -> Iterator[tuple[str, PoseTrack, PoseTrack]]:
    """Clips in DANCENOW_DATA with exact keypoints."""
    for video in sorted(Path(os.environ.get("DANCENOW_DATA") or "/nonexistent").rglob("*_id[01].mp4")):
        if video.with_suffix(".npz").is_file():
            yield video.stem, PosePipeline.create().measure(video), read_exact_track(video.with_suffix(".npz"), video)


def clips_without_truth() -> Iterator[tuple[str, PoseTrack]]:
    """Detected clips in DANCENOW_DATA without exact keypoints."""
    for video in sorted(Path(os.environ.get("DANCENOW_DATA") or "/nonexistent").rglob("*.mp4")):
        if not video.with_suffix(".npz").is_file():
            try:
                yield video.stem, PosePipeline.create().measure(video)
            except UserError as problem:
                print(problem, flush=True)


def truth_free_measurements(detected: PoseTrack) -> dict[str, dict[str, float]]:
    """Measurements without ground truth, before and after the correction: variation of arm and leg lengths in 3D and in the
    image (standard deviation over mean), and acceleration of keypoints in % of the body size per frame squared."""
    smoothed = smooth(detected, SMOOTHING)

    def figures(track: PoseTrack) -> dict[str, float]:
        size_px = body_size(track.pose, track.time_s)[:, None, None]
        points = np.concatenate([track.pose.xy, track.pose.depth[..., None]], axis=-1).astype(np.float64) / size_px
        visible = track.pose.confidence >= MIN_CONFIDENCE

        def vary(dimensions: int) -> float:
            variations = []
            for a, b in LIMBS[[LIMB_NAMES.index(name) for name in LONG_BONES]]:
                both = visible[:, a] & visible[:, b]
                if both.sum() >= 10:
                    length = np.linalg.norm((points[both, a] - points[both, b])[:, :dimensions], axis=-1)
                    variations.append(float(length.std() / length.mean()))
            return float(np.mean(variations))

        three_visible = visible[2:] & visible[1:-1] & visible[:-2]
        acceleration = np.linalg.norm(np.diff(points[..., :2], 2, axis=0), axis=-1)[three_visible]
        return {"lengths": vary(3), "lengths in the picture": vary(2), "acceleration": float(acceleration.mean() * 100)}

    return {"detected": figures(smoothed), "corrected": figures(correct_bias(smoothed, detected))}


def error(detected: PoseTrack, exact: PoseTrack, weights: Path = CORRECTOR) -> dict[str, dict[str, float]]:
    """Errors in % of the body height before and after the correction: position, position without a constant offset, and jitter
    from frame to frame; also the correlation of the depth with the exact depth, and its error."""
    visible = exact.pose.confidence > 0
    height_px = float(np.ptp(np.where(visible, exact.pose.xy[..., 1], np.nan)[:, :18], axis=1).mean())
    smoothed = smooth(detected, SMOOTHING)

    def figures(track: PoseTrack) -> dict[str, float]:
        off = np.where(visible[..., None], (track.pose.xy - exact.pose.xy) / height_px * 100, np.nan)
        offset = np.nanmedian(off, axis=0)
        depth, true = track.pose.depth[visible], exact.pose.depth[visible]
        return {
            "place": float(np.nanmean(np.linalg.norm(off, axis=-1))),
            "wandering": float(np.nanmean(np.linalg.norm(off - offset, axis=-1))),
            "trembling": float(np.nanmean(np.linalg.norm(np.diff(off, axis=0), axis=-1))),
            "depth": float(np.abs(depth - true).mean() / height_px * 100),
            "depth correlation": float(np.corrcoef(depth, true)[0, 1]),
        }

    return {"detected": figures(smoothed), "corrected": figures(correct_bias(smoothed, detected, weights))}


def measure(options: argparse.Namespace) -> None:
    """Write all measurements to a JSON file."""
    rows: dict[str, Any] = {}
    for kind, clips in (("random people", held_out_clips()), ("studio", studio_clips()), ("own folder", own_clips())):
        rows[kind] = {}
        for name, detected, exact in clips:
            rows[kind][name] = error(detected, exact)
            print(name, {how: {k: round(v, 3) for k, v in each.items()} for how, each in rows[kind][name].items()}, flush=True)
    rows["without truth"] = {name: truth_free_measurements(detected) for name, detected in clips_without_truth()}
    out = (options.out or Path("benchmarks")) / f"{today()}-corrector.json"
    with complete_or_absent(out) as temporary:
        temporary.write_text(json.dumps({**measurement_info(), "clips": rows}, indent=1) + "\n", "utf-8")
    print(out)


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["film", "train", "measure"])
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--part", default="0/1", help="part of the people to render: index/count")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    {"film": film, "train": train, "measure": measure}[options.step](options)


if __name__ == "__main__":
    main()
