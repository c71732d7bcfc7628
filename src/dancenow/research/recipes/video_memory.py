"""Memory of dances of minutes to an hour at full rate: `python -m dancenow.research.recipes.video_memory -o RESULT.json`.

Whole transfers of a drawn dancer by a tiny model, each in its own process with an empty cache: what is held of each frame does
not depend on what it shows. Poses are given. What single steps take, filtering included, is measured on Linux only.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial, reduce
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import tyro

from dancenow import pipeline
from dancenow.errors import UserError
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.media.sink import VideoWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.pose.pipeline import PosePipeline
from dancenow.research.bench.results import measurement_info
from dancenow.skeleton import INDEX, NUM_KEYPOINTS
from dancenow.storage.atomic_io import complete_or_absent
from dancenow.storage.checkpoint import Checkpoint, save_checkpoint, with_prefix
from dancenow.subject.target_appearance import Target
from dancenow.types import Plate, Pose, PoseTrack

_SIDE_PX: Final = 128
_TARGET_S: Final = 20
_CLEAR: Final = Path("/proc/self/clear_refs")
_STANDING: Final = {
    "nose": (0, -88), "neck": (0, -72), "eye": (3, -91), "ear": (6, -90), "shoulder": (13, -70), "elbow": (20, -55),
    "wrist": (22, -40), "thumb": (20, -37), "index": (22, -35), "pinky": (24, -37), "hip": (8, -42), "knee": (9, -22),
    "ankle": (10, -4), "heel": (10, 0), "toe": (14, 0),
}  # fmt: skip
"""x from the middle of the body outwards and y below the ground, in hundredths of its height."""
_STEPS: Final[tuple[tuple[str, ...], ...]] = (
    ("dancenow.pose.pipeline", "repair"),
    ("dancenow.pose.pipeline", "damp_jitter"),
    ("dancenow.pose.detectors.blazepose", "BlazePose", "correct_bias"),
    ("dancenow.rendering.planned_dance", "complete_body"),
    ("dancenow.rendering.planned_dance", "fit_videos"),
    ("dancenow.rendering.planned_dance", "retarget"),
    ("dancenow.rendering.planned_dance", "turn_heads"),
    ("dancenow.generators.crop.renderer", "track_crop"),
    ("dancenow.planned_transfer", "transfer_warnings"),
    ("dancenow.planned_transfer", "write_transfer"),
)


@dataclass(frozen=True)
class Options:
    """out: the JSON to write. minutes: lengths of the dances. fps: their frames a second."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    minutes: tuple[float, ...] = (1, 60)
    fps: int = 30


def drawn_track(frames: int, fps: int, seed: int = 0) -> PoseTrack:
    """A person who swings arms and hips and walks from side to side, with the jitter of a detector."""
    time_s, rng = np.arange(frames) / fps, np.random.default_rng(seed)
    xy = np.zeros((frames, NUM_KEYPOINTS, 2), np.float32)
    for name, index in INDEX.items():
        x, y = _STANDING[name.removeprefix("left_").removeprefix("right_")]
        xy[:, index] = (-x if name.startswith("right_") else x, y)
    swing = np.sin(2 * np.pi * time_s / 1.5 + seed)
    for name in ("elbow", "wrist", "thumb", "index", "pinky"):
        xy[:, INDEX[f"left_{name}"], 1] -= 20 * np.clip(swing, 0, None)
        xy[:, INDEX[f"right_{name}"], 1] -= 20 * np.clip(-swing, 0, None)
    xy *= 0.7 * _SIDE_PX / 100
    xy += np.float32(0.2) * rng.standard_normal(xy.shape, np.float32)
    xy[..., 0] += _SIDE_PX * (0.5 + 0.15 * np.sin(2 * np.pi * time_s / 2.5 + seed))[:, None]
    xy[..., 1] += 0.9 * _SIDE_PX
    confidence = np.float32(0.5) + np.float32(0.5) * rng.random(xy.shape[:2], np.float32)
    return PoseTrack(Pose(xy, confidence), time_s, np.zeros(frames, np.uint8), _SIDE_PX, _SIDE_PX, "drawn/1", str(seed) * 64)


def write_model(path: Path) -> None:
    """A tiny crop model of the drawn person, untrained."""
    config, room = GeneratorConfig(canvas_px=64, width=4, blocks=0), np.full((_SIDE_PX, _SIDE_PX, 3), 128, np.uint8)
    plate = Plate(room, np.ones((_SIDE_PX, _SIDE_PX), np.bool_))
    kept = Target("drawn", plate, PosePipeline.create().filter(drawn_track(30 * _TARGET_S, 30, 1)), "1" * 64).to_checkpoint(
        "body"
    )
    tensors = {**kept.tensors, **with_prefix("generator", Generator(config).state_dict())}
    save_checkpoint(path, Checkpoint(replace(kept.info, config={"generator": asdict(config), "precision": "float32"}), tensors))


def write_video(path: Path, frames: int, fps: int) -> None:
    """A video in which a square moves: the poses are given."""
    with VideoWriter(path, _SIDE_PX, _SIDE_PX, fps=Fraction(fps), preset="ultrafast") as writer:
        for number in range(frames):
            image = np.full((_SIDE_PX, _SIDE_PX, 3), 90, np.uint8)
            image[40:80, number % 60 : number % 60 + 30] = 200
            writer.write(image, Fraction(number, fps))


def transfer_here(video: Path, model: Path, out: Path, fps: int) -> dict[str, Any]:
    """Transfer in this process; its peak in MB."""
    setattr(pipeline, "detect_poses", partial(_given_poses, fps=fps))  # noqa: B010 - of its module, not exported
    result = pipeline.transfer(video, model, out, device="cpu")
    return {"frames": result.num_frames, "peak_mb": _status_mb("VmHWM")}


def steps_here(video: Path, model: Path, out: Path, fps: int) -> dict[str, Any]:
    """What each step takes in this process beside what was held before it, in MB; few frames are rendered."""
    taken: dict[str, float] = {}
    for module, *path, name in _STEPS:
        holder = reduce(getattr, path, import_module(module))
        setattr(holder, name, _watched(getattr(holder, name), name, taken))

    def filtered(source: VideoInput, **options: Any) -> PoseTrack:
        return PosePipeline.create().filter(_given_poses(source, fps=fps, **options))

    setattr(pipeline, "detect_poses", filtered)  # noqa: B010
    result = pipeline.transfer(video, model, out, device="cpu", frames=(0, 8))
    frames = len(result.target_track) and (open_video(video).info.num_frames or 0)
    return {"frames": frames, "mb": taken, "kb_a_frame": {name: round(1024 * mb / frames, 2) for name, mb in taken.items()}}


def _given_poses(source: VideoInput, fps: int, **_: object) -> PoseTrack:
    """A replacement for `detect_poses`."""
    opened = open_video(source)
    return replace(drawn_track(opened.info.num_frames or 0, fps), source_sha256=opened.sha256)


def _watched(run: Callable[..., Any], name: str, taken: dict[str, float]) -> Callable[..., Any]:
    def watched(*args: Any, **options: Any) -> Any:
        before_mb = _status_mb("VmRSS")
        _CLEAR.write_text("5")  # the peak is that of now
        result = run(*args, **options)
        taken[name] = round(max(taken.get(name, 0.0), _status_mb("VmHWM") - before_mb), 1)
        return result

    return watched


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return round(next(float(line.split()[1]) for line in lines if line.startswith(name)) / 1024, 1)


def in_own_process(folder: Path, video: Path, fps: int, *, steps: bool) -> dict[str, Any]:
    """`transfer_here` with an empty cache in `folder`, or `steps_here`, without the reuse of freed memory, which hides steps.

    Raises:
        UserError: the transfer failed; the message has its last line.
    """
    words = [str(video), str(folder / "model.safetensors"), str(folder / "out.mp4")]
    program = (
        "import json; from pathlib import Path; import torch; torch.set_num_threads(1);"
        f" from dancenow.research.recipes import video_memory; run = video_memory.{'steps' if steps else 'transfer'}_here;"
        f" print(json.dumps(run(*map(Path, {words!r}), {fps})))"
    )
    environment = {**os.environ, "DANCENOW_CACHE": str(folder / "cache")}
    if steps:
        environment["MALLOC_MMAP_THRESHOLD_"] = "131072"
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"the measured transfer failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure all lengths, shortest first, and the steps of the longest."""
    options = tyro.cli(Options, description=__doc__)
    result: dict[str, Any] = {
        "what": "peak memory of whole transfers of a drawn dancer at full rate, each in its own process; steps: what a step"
        " takes beside what was held before it, results included",
        "measured_on": measurement_info(),
        "fps": options.fps,
        "lengths": [],
    }
    for minutes in sorted(options.minutes):
        with tempfile.TemporaryDirectory(prefix="dancenow-memory-") as text:
            folder = Path(text)
            write_model(folder / "model.safetensors")
            write_video(folder / "dance.mp4", round(60 * minutes * options.fps), options.fps)
            found = in_own_process(folder, folder / "dance.mp4", options.fps, steps=False)
            result["lengths"].append({"minutes": minutes, **found})
            if _CLEAR.exists() and minutes == max(options.minutes):
                result["steps"] = in_own_process(folder, folder / "dance.mp4", options.fps, steps=True)
        print(json.dumps(result["lengths"][-1]), flush=True)
        with complete_or_absent(options.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
