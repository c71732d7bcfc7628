"""Renders a dataset, clip by clip, in several processes: what is there is kept, what is not is made, nothing is half there.

A clip's folder appears in one step when all its files are complete; the index is written last. The same command goes on where
an interrupted one stopped, and with more people or dances it goes on from a smaller dataset.
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
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import cv2

from dancenow import __version__, execution
from dancenow.errors import InputError, OptionError, OutputError, UserError
from dancenow.pose.track_io import load_track
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.research.dataset.faces import faces_of, save_faces
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
    dance_name,
    dance_of,
    grain_seed,
    identity_name,
    identity_of,
    made_room,
    planned,
    room_name,
    rooms_of,
)
from dancenow.research.dataset.protocol import DESCRIPTIONS, PAIRS, PARTS, part_under, parts_of, spans_of
from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.clip import film
from dancenow.research.studio.motion import perform, solve
from dancenow.storage.atomic_io import complete_or_absent, require_writable, sha256_of

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

RECIPE_FILE: Final = "recipe.json"
DONE: Final = "clip.json"
STALE_S: Final = 3600.0
"""A temporary folder in which nothing has changed for so long was left by a process that was killed."""


def make_dataset(
    out: Path, config: DatasetConfig, *, processes: int = 1, on_progress: ProgressCallback = ignore_progress
) -> Dataset:
    """Render every clip that is not there yet, and write the index.

    Args:
        out: a new folder, or one that an interrupted or a smaller make left behind.
        processes: how many render at once, each with one thread.

    Raises:
        UserError: the folder holds something else, or a dataset that looks different; the studio's packages are missing.
    """
    if not 1 <= processes <= 256:
        raise OptionError(f"processes must lie between 1 and 256, got {processes}.")
    _begin(out, config)
    clips = planned(config)
    done = {clip.key: found for clip in clips if (found := _finished(out, config, clip)) is not None}
    missing = [clip for clip in clips if clip.key not in done]
    for number, (key, found) in enumerate(_rendered(out, config, missing, processes, on_progress), start=len(done) + 1):
        done[key] = found
        on_progress(Progress("rendering clips", number, len(clips)))
    entries = [_entry(config, clip, done[clip.key]) for clip in clips]
    dataset = Dataset("rendered", _about(config), tuple(entries))
    write_index(out / INDEX, dataset)
    return dataset


def _begin(out: Path, config: DatasetConfig) -> None:
    """Make the folder, or see that what is in it is this dataset, begun or smaller; sweep up after a process that was
    killed."""
    require_writable(out, folder=True)
    recipe = out / RECIPE_FILE
    if recipe.is_file():
        try:
            kept = json.loads(recipe.read_text("utf-8"))
            if not isinstance(kept, dict):
                raise ValueError("no fields")
        except (OSError, ValueError) as error:
            raise InputError(f"{recipe} is damaged ({error}); give the name of a new folder.") from error
        for name, value in config.look.items():
            if kept.get(name) != value:
                raise InputError(
                    f"{out} holds a dataset whose {name} is {kept.get(name)}, not {value}; go on with the same settings, or"
                    " give the name of a new folder."
                )
        _refuse_to_shrink(out, config)
    elif out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out} exists and is not a dataset; give the name of a new folder.")
    else:
        with complete_or_absent(recipe) as temporary:
            temporary.write_text(json.dumps(config.look, indent=1) + "\n", "utf-8")
    clips = out / CLIPS
    clips.mkdir(exist_ok=True)
    for left in [path for path in clips.iterdir() if path.name.startswith(".") and path.is_dir()]:
        if time.time() - max(path.stat().st_mtime for path in (left, *left.rglob("*"))) > STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def _refuse_to_shrink(out: Path, config: DatasetConfig) -> None:
    wanted = {clip.key for clip in planned(config)}
    clips = out / CLIPS
    there = {path.name for path in clips.iterdir() if not path.name.startswith(".")} if clips.is_dir() else set()
    if extra := sorted(there - wanted):
        raise InputError(
            f"{out} also holds {extra[0]}, which this dataset would not have; ask for as many or more, or a new folder."
        )


def _finished(out: Path, config: DatasetConfig, clip: PlannedClip) -> dict[str, Any] | None:
    """What is known of a clip that is there with all its files; None if it has to be rendered."""
    path = out / CLIPS / clip.key / DONE
    try:
        found = json.loads(path.read_text("utf-8"))
        sizes = {suffix: record["bytes"] for suffix, record in found["files"].items()}
        whole = all(clip_file(out, clip.key, suffix).stat().st_size == size for suffix, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if whole and found.get("recipe") == _clip_recipe(config, clip) else None


def _rendered(
    out: Path, config: DatasetConfig, clips: list[PlannedClip], processes: int, on_progress: ProgressCallback
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Render the clips and yield what is known of each as it is done."""
    if min(processes, len(clips)) <= 1:
        for clip in clips:
            yield _render(out, config, clip, on_progress)
        return
    # Started afresh, not forked: threads of torch, OpenCV and Warp do not survive a fork.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    count = min(processes, len(clips))
    with _one_thread_each(), ProcessPoolExecutor(count, context, _start_worker, (stop,)) as pool:
        jobs = [pool.submit(_render_job, out, config, clip) for clip in clips]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool as error:
            raise UserError(
                f"a process that rendered was ended from outside, perhaps for lack of memory; the same command with fewer than"
                f" {processes} processes goes on."
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """What is started inside computes with one thread; as many processes as cores is what is fast."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_stop: "Event | None" = None
"""In a worker: set when the parent wants no more clips."""


def _start_worker(stop: "Event") -> None:
    """A worker leaves Ctrl-C to its parent; being ended, it takes away what it has half written."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    cv2.setNumThreads(1)
    execution.native_loading = execution.closed_stderr
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """A worker whose parent was killed, and so has another, would wait for clips for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    while True:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _render_job(out: Path, config: DatasetConfig, clip: PlannedClip) -> tuple[str, dict[str, Any]]:
    def heed(_: Progress) -> None:
        if _stop is not None and _stop.is_set():
            raise KeyboardInterrupt

    return _render(out, config, clip, heed)


def _render(out: Path, config: DatasetConfig, clip: PlannedClip, on_progress: ProgressCallback) -> tuple[str, dict[str, Any]]:
    """One clip with everything that is true of it, in one step."""
    started = time.perf_counter()
    fps, size = Fraction(config.fps), config.size_px
    body = _body(config, clip.identity)
    performance = solve(perform(dance_of(config, clip.dance), float(fps), config.seconds), body)
    with complete_or_absent(out / CLIPS / clip.key) as folder:
        folder.mkdir()
        video = folder / f"{clip.key}.mp4"
        made = film(
            body, performance, made_room(config, clip.room), video, fps=fps, width_px=size, height_px=size,
            seed=grain_seed(config, clip), crf=config.crf, repeatable=True, on_progress=on_progress,
        )  # fmt: skip
        faces = faces_of(load_track(made.track))
        save_faces(folder / f"{clip.key}.faces.npz", faces)
        files = {
            path.name.removeprefix(f"{clip.key}."): FileRecord(path.stat().st_size, sha256_of(path)).to_json()
            for path in sorted(folder.iterdir())
        }
        face = {"visible": round(float(faces.visible.mean()), 4), "side_px": round(faces.side_px, 1)}
        found = {"recipe": _clip_recipe(config, clip), "files": files, "face": face}
        (folder / DONE).write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    on_progress(Progress("rendering", config.num_frames, config.num_frames, f"{time.perf_counter() - started:.0f} s"))
    return clip.key, found


@lru_cache(maxsize=1)
def _body(config: DatasetConfig, identity: int) -> Body:
    """Kept from one clip to the next: building it takes seconds."""
    return build_body(identity_of(config, identity))


def _clip_recipe(config: DatasetConfig, clip: PlannedClip) -> str:
    return digest_of({**config.look, **asdict(clip), "files": 1})


def _entry(config: DatasetConfig, clip: PlannedClip, found: dict[str, Any]) -> Entry:
    """A clip as the index says it."""
    person = parts_of(config.identities, config.shares)[clip.identity]
    source_track = parts_of(config.dances, config.shares)[clip.dance]
    info = {
        "identity": identity_name(clip.identity),
        "dance": dance_name(clip.dance),
        "room": room_name(clip.room),
        "frames": config.num_frames,
        "fps": config.fps,
        "width_px": config.size_px,
        "height_px": config.size_px,
        "seconds": float(config.num_frames / Fraction(config.fps)),
        "parts": {name: part_under(name, person, source_track) for name in ("person", "dance", "both")},
        "spans_s": {part: list(span) for part, span in spans_of(config.seconds, config.shares).items()},
        "face": found["face"],
    }
    files = {suffix: FileRecord(record["bytes"], record["sha256"]) for suffix, record in found["files"].items()}
    return Entry(clip.key, files, info)


def _about(config: DatasetConfig) -> dict[str, Any]:
    """What the index says of the whole."""
    people = parts_of(config.identities, config.shares)
    dances = parts_of(config.dances, config.shares)
    drawn = [identity_of(config, number) for number in range(config.identities)]
    return {
        "title": f"{config.identities} rendered dancers in {config.dances} dances",
        "licence": LICENCE,
        "consent": {"kind": "rendered", "scope": "nobody real is in the video"},
        "made_by": f"dancenow {__version__}",
        "config": {**config.look, "identities": config.identities, "dances": config.dances, "shares": list(config.shares)},
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
            for person, part, room in zip(drawn, people, rooms_of(config), strict=True)
        },
        "dances": {
            dance_name(number): {"part": part, "bpm": round(dance_of(config, number).bpm, 3)}
            for number, part in enumerate(dances)
        },
    }
