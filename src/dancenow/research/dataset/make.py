"""Render a dataset clip by clip in several processes; finished clips are kept, missing ones rendered.

The folder of a clip appears in one step when its files are complete; the index is written last. The same command continues an
interrupted dataset, and with more people or dances it extends a smaller one.
"""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import cv2
from threadpoolctl import threadpool_limits

from dancenow import __version__, execution
from dancenow.errors import InputError, OptionError, OutputError, UserError
from dancenow.pose.track_io import load_track
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.dataset.faces import face_labels, save_faces
from dancenow.research.dataset.index import (
    CLIPS,
    INDEX,
    LICENCE,
    Dataset,
    Entry,
    FileRecord,
    clip_file,
    digest_of,
    write_index,
)
from dancenow.research.dataset.plan import (
    DatasetConfig,
    PlannedClip,
    assign_rooms,
    dance_name,
    identity_name,
    noise_seed,
    plan_clips,
    room_name,
    sample_dance,
    sample_identity,
    sample_room,
)
from dancenow.research.dataset.protocol import DESCRIPTIONS, PAIRS, PARTS, assign_parts, clip_part, split_spans
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.clip import render_performance
from dancenow.research.studio.motion import perform, solve
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

RECIPE_FILE: Final = "recipe.json"
CLIP_RECORD: Final = "clip.json"
STALE_S: Final = 3600.0
"""A temporary folder without changes for this long was left by a killed process."""


def make_dataset(
    out: Path, config: DatasetConfig, *, processes: int = 1, on_progress: ProgressCallback = ignore_progress
) -> Dataset:
    """Render all missing clips and write the index.

    Args:
        out: a new folder, or the folder of an interrupted or smaller dataset.
        processes: number of clips rendered in parallel, each with one thread.

    Raises:
        UserError: the folder has other content or a dataset with other settings; the studio packages are missing.
    """
    if not 1 <= processes <= 256:
        raise OptionError(f"processes must lie between 1 and 256, got {processes}.")
    _open_folder(out, config)
    clips = plan_clips(config)
    done = {clip.key: record for clip in clips if (record := _read_finished_clip(out, config, clip)) is not None}
    missing = [clip for clip in clips if clip.key not in done]
    for number, (key, record) in enumerate(_render_clips(out, config, missing, processes, on_progress), start=len(done) + 1):
        done[key] = record
        on_progress(Progress("rendering clips", number, len(clips)))
    entries = [_index_entry(config, clip, done[clip.key]) for clip in clips]
    dataset = Dataset("rendered", _describe(config), tuple(entries))
    write_index(out / INDEX, dataset)
    return dataset


def _open_folder(out: Path, config: DatasetConfig) -> None:
    """Create the folder, or check that it holds this dataset, unfinished or smaller; remove leftovers of killed processes."""
    require_writable(out, folder=True)
    recipe = out / RECIPE_FILE
    if recipe.is_file():
        try:
            stored = json.loads(recipe.read_text("utf-8"))
            if not isinstance(stored, dict):
                raise ValueError("not a JSON object")
        except (OSError, ValueError) as error:
            raise InputError(f"{recipe} is damaged ({error}); choose a new folder.") from error
        for name, value in config.appearance.items():
            if stored.get(name) != value:
                raise InputError(
                    f"{out} holds a dataset whose {name} is {stored.get(name)}, not {value}; use the same settings or"
                    " choose a new folder."
                )
        _require_not_smaller(out, config)
    elif out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out} exists and is not a dataset; choose a new folder.")
    else:
        with complete_or_absent(recipe) as temporary:
            temporary.write_text(json.dumps(config.appearance, indent=1) + "\n", "utf-8")
    clips = out / CLIPS
    clips.mkdir(exist_ok=True)
    for leftover in [path for path in clips.iterdir() if path.name.startswith(".") and path.is_dir()]:
        if time.time() - max(path.stat().st_mtime for path in (leftover, *leftover.rglob("*"))) > STALE_S:
            shutil.rmtree(leftover, ignore_errors=True)


def _require_not_smaller(out: Path, config: DatasetConfig) -> None:
    expected = {clip.key for clip in plan_clips(config)}
    clips = out / CLIPS
    present = {path.name for path in clips.iterdir() if not path.name.startswith(".")} if clips.is_dir() else set()
    if extra := sorted(present - expected):
        raise InputError(
            f"{out} also holds {extra[0]}, which is not part of this dataset; ask for as many or more, or choose a new folder."
        )


def _read_finished_clip(out: Path, config: DatasetConfig, clip: PlannedClip) -> dict[str, Any] | None:
    """Return the record of a clip whose files are all present; None if it must be rendered."""
    path = out / CLIPS / clip.key / CLIP_RECORD
    try:
        record = json.loads(path.read_text("utf-8"))
        sizes = {suffix: file["bytes"] for suffix, file in record["files"].items()}
        complete = all(clip_file(out, clip.key, suffix).stat().st_size == size for suffix, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if complete and record.get("recipe") == _clip_recipe(config, clip) else None


def _render_clips(
    out: Path, config: DatasetConfig, clips: list[PlannedClip], processes: int, on_progress: ProgressCallback
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Render the clips and yield the record of each as it finishes."""
    if min(processes, len(clips)) <= 1:
        for clip in clips:
            yield _render_clip(out, config, clip, on_progress)
        return
    # Spawned, not forked: threads of torch, OpenCV and Warp do not survive a fork.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    count = min(processes, len(clips))
    with ProcessPoolExecutor(count, context, _init_worker, (stop,)) as pool:
        jobs = [pool.submit(_render_job, out, config, clip) for clip in clips]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise UserError(
                f"a rendering process was killed, perhaps for lack of memory; run the same command again with fewer than"
                f" {processes} processes."
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


_stop: "Event | None" = None
"""In a worker: set when the parent wants no more clips."""


def _init_worker(stop: "Event") -> None:
    """Let the parent handle Ctrl-C, remove unfinished files on SIGTERM, and exit together with the parent.

    A worker computes with one thread; one process per core is fastest.
    """
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    cv2.setNumThreads(1)
    threadpool_limits(1)  # of the libraries that are loaded; the variables are for those that will be
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    execution.native_loading = execution.closed_stderr
    Thread(target=_exit_with_parent, args=(os.getppid(),), daemon=True).start()


def _exit_with_parent(parent: int) -> None:
    """Terminate this worker when its parent has died: it would wait for clips forever."""
    while os.getppid() == parent:
        time.sleep(1)
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _render_job(out: Path, config: DatasetConfig, clip: PlannedClip) -> tuple[str, dict[str, Any]]:
    def check_stop(_: Progress) -> None:
        if _stop is not None and _stop.is_set():
            raise KeyboardInterrupt

    return _render_clip(out, config, clip, check_stop)


def _render_clip(
    out: Path, config: DatasetConfig, clip: PlannedClip, on_progress: ProgressCallback
) -> tuple[str, dict[str, Any]]:
    """Render one clip with its labels; its folder appears in one step."""
    started = time.perf_counter()
    fps, size = Fraction(config.fps), config.size_px
    body = _body(config, clip.identity)
    performance = solve(perform(sample_dance(config, clip.dance), float(fps), config.seconds), body)
    with complete_or_absent(out / CLIPS / clip.key) as folder:
        folder.mkdir()
        video = folder / f"{clip.key}.mp4"
        clip_files = render_performance(
            body, performance, sample_room(config, clip.room), video, fps=fps, width_px=size, height_px=size,
            seed=noise_seed(config, clip), crf=config.crf, repeatable=True, on_progress=on_progress,
        )  # fmt: skip
        faces = face_labels(load_track(clip_files.track))
        save_faces(folder / f"{clip.key}.faces.npz", faces)
        files = {
            path.name.removeprefix(f"{clip.key}."): FileRecord(path.stat().st_size, sha256_of(path)).to_json()
            for path in sorted(folder.iterdir())
        }
        face = {"visible": round(float(faces.visible.mean()), 4), "side_px": round(faces.side_px, 1)}
        record = {"recipe": _clip_recipe(config, clip), "files": files, "face": face}
        (folder / CLIP_RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    on_progress(Progress("rendering", config.num_frames, config.num_frames, f"{time.perf_counter() - started:.0f} s"))
    return clip.key, record


@lru_cache(maxsize=1)
def _body(config: DatasetConfig, identity: int) -> Body:
    """Build a body, which takes seconds; the last one is kept for the next clip."""
    return build_body(sample_identity(config, identity))


def _clip_recipe(config: DatasetConfig, clip: PlannedClip) -> str:
    return digest_of({**config.appearance, **asdict(clip), "files": 1})


def _index_entry(config: DatasetConfig, clip: PlannedClip, record: dict[str, Any]) -> Entry:
    """Return the index entry of a clip."""
    person_part = assign_parts(config.identities, config.split_fractions)[clip.identity]
    dance_part = assign_parts(config.dances, config.split_fractions)[clip.dance]
    info = {
        "identity": identity_name(clip.identity),
        "dance": dance_name(clip.dance),
        "room": room_name(clip.room),
        "frames": config.num_frames,
        "fps": config.fps,
        "width_px": config.size_px,
        "height_px": config.size_px,
        "seconds": float(config.num_frames / Fraction(config.fps)),
        "parts": {name: clip_part(name, person_part, dance_part) for name in ("person", "dance", "both")},
        "spans_s": {part: list(span) for part, span in split_spans(config.seconds, config.split_fractions).items()},
        "face": record["face"],
    }
    files = {suffix: FileRecord(file["bytes"], file["sha256"]) for suffix, file in record["files"].items()}
    return Entry(clip.key, files, info)


def _describe(config: DatasetConfig) -> dict[str, Any]:
    """Return the fields of the index that describe the dataset."""
    people = assign_parts(config.identities, config.split_fractions)
    dances = assign_parts(config.dances, config.split_fractions)
    identities = [sample_identity(config, number) for number in range(config.identities)]
    return {
        "title": f"{config.identities} rendered dancers in {config.dances} dances",
        "licence": LICENCE,
        "consent": {"kind": "rendered", "scope": "nobody real is in the video"},
        "made_by": f"dancenow {__version__}",
        "config": {
            **config.appearance,
            "identities": config.identities,
            "dances": config.dances,
            "shares": list(config.split_fractions),
        },
        "protocols": dict(DESCRIPTIONS),
        "parts": list(PARTS),
        "pairs": PAIRS,
        "identities": {
            person.name: {
                "part": part,
                "room": room_name(room),
                "phenotype": {name: round(value, 4) for name, value in person.phenotype.items()},
                "hair": person.hair_style,
                "top": person.top.cloth.pattern,
                "bottom": person.bottom.kind,
            }
            for person, part, room in zip(identities, people, assign_rooms(config), strict=True)
        },
        "dances": {
            dance_name(number): {"part": part, "bpm": round(sample_dance(config, number).bpm, 3)}
            for number, part in enumerate(dances)
        },
    }
