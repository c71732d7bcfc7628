"""Disturb commands and compare their results: `python -m dancenow.research.robustness.chaos -o TABLE.json`.

    kill        SIGKILL, SIGTERM or SIGHUP at a random moment, also while the program is loaded, then the same command again
    helper      SIGKILL to a process that `batch` or `web` started, then the same command again
    full disk   the result or the cache on a disk of a few kB to MB (needs the right to mount)
    read-only   the result or the cache on a disk that cannot be written to
    no rights   the folder of the result or the cache may not be written to, also by root
    together    the same command twice at once, on one cache
    damage      bytes of every file in the cache changed, cut off or zeroed, then the same command again

A try survives if the result in the end is that of an undisturbed command, no unfinished file and no process is left anywhere,
an error was one sentence without a traceback, and a polite signal was obeyed in time.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import tyro

from dancenow.errors import UserError
from dancenow.research.bench.results import versions
from dancenow.research.robustness.places import Place, Running
from dancenow.research.robustness.world import COMMANDS, Command, create_shared, fingerprint, job_error
from dancenow.storage.atomic_io import complete_or_absent

Disturbance = tuple[str, Callable[["Place"], dict[str, Any]]]
_SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
_DISK_KB: Final = (16, 400, 6000)
_PAGE_DISK_KB: Final = (120, 400, 6000)
"""The page's folder holds the uploads, which have to fit."""
_GRACE_S: Final = 10.0
"""A command that was told politely has to end within this time, and helpers of one that was killed."""
_STUCK_S: Final = 90.0
"""A page whose disk is full may be unable to say that its job failed; it is told to end after this time."""
_LOADING_S: Final = 3.0
"""Work until a command is loaded."""
_WITH_HELPERS: Final = ("batch", "web")
"""Commands whose work is done by other processes."""
_UNHARMED: Final = ("weights", "code", ".locks")
"""Folders of the cache that are checked elsewhere, or would only be made again."""


@dataclass(frozen=True)
class Undisturbed:
    """A command's time, work of processors, result and files when nothing happens."""

    command: Command
    seconds: float
    work_s: float
    result: str
    files: list[str]


@dataclass(frozen=True)
class Options:
    """out: the JSON to write; tries that it holds already are kept. kills: of each command. rounds: of damage. seed: of all
    random moments. commands: to disturb. shared: folder of the clips, made if it is missing. minutes: no try begins later.
    stand_ins: module with stand-ins for the networks, see `Place`; a try takes seconds instead of a minute."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    kills: int = 12
    rounds: int = 1
    seed: int = 0
    commands: tuple[Literal["prepare", "train", "transfer", "run", "batch", "web"], ...] = tuple(
        command.name  # type: ignore[misc]
        for command in COMMANDS
    )
    shared: Path | None = None
    minutes: float = 24 * 60.0
    stand_ins: str = ""


def run_undisturbed(command: Command, place: Place) -> Undisturbed:
    """Run a command in a new place."""
    command.lay_out(place)
    start_s, running = time.monotonic(), command.start(place)
    work_s = _watch(running, place, command, until_work_s=float("inf"))
    seconds = time.monotonic() - start_s
    status, output = running.finish()
    if status:
        raise RuntimeError(output)
    return Undisturbed(command, seconds, work_s, fingerprint(place.out / command.result), place.files())


def _watch(running: Running, place: Place, command: Command, *, until_work_s: float) -> float:
    """Wait until processors have worked so long on a command, or until it ends or is a server that is done; for how long."""
    work_s, has_helpers = 0.0, command.name in _WITH_HELPERS
    while running.poll() is None and not running.is_done() and work_s < until_work_s:
        work_s = max(work_s, running.work_s(number for number, _ in place.helpers()) if has_helpers else running.work_s())
        time.sleep(0.3 if has_helpers else 0.02)
    return work_s


def kill(normal: Undisturbed, place: Place, rng: random.Random, *, fresh: bool) -> dict[str, Any]:
    """Kill a command once and run it again; what happened. fresh: while it is being loaded."""
    number, share = rng.choice(_SIGNALS), rng.uniform(0.0, 0.98)
    normal.command.lay_out(place)
    running = normal.command.start(place, fresh=fresh)
    work_s = _watch(running, place, normal.command, until_work_s=share * (_LOADING_S if fresh else normal.work_s))
    running.send(number)
    start_s = time.monotonic()
    status, output = running.finish()
    took_s = time.monotonic() - start_s
    faults = [] if number is signal.SIGKILL else _unfinished_faults(place, "after the signal")
    faults += ["traceback"] * ("Traceback" in output)
    if number is not signal.SIGKILL and took_s > _GRACE_S:
        faults.append(f"obeyed after {took_s:.0f} s")
    if number is not signal.SIGKILL and status not in (0, 130, -number):  # the last one before the command listens
        faults.append(f"ends with {status}")
    facts = {
        "signal": number.name,
        "after_work_s": round(work_s, 2),
        "of_s": round(normal.work_s, 2),
        "took_s": round(took_s, 2),
    }
    return {**facts, "status": status, "faults": faults + again(normal, place)}


def kill_helper(normal: Undisturbed, place: Place, rng: random.Random) -> dict[str, Any]:
    """Kill a process that does the work of a command, which goes on or ends as it likes, and run it again."""
    normal.command.lay_out(place)
    running, killed = normal.command.start(place), ""
    work_s = _watch(running, place, normal.command, until_work_s=rng.uniform(0.4, 0.95) * normal.work_s)
    while running.poll() is None and not running.is_done() and not killed:
        if workers := [each for each in place.helpers() if normal.command.is_server or _is_busy_worker(each[1])]:
            number, killed = rng.choice(workers)
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.05)
    status, output = running.finish()
    faults = ["traceback"] * ("Traceback" in output) + [f"ends with {status}"] * (status != 0)
    killed = killed.strip()[:60]
    return {"after_work_s": round(work_s, 2), "killed": killed, "status": status, "faults": faults + again(normal, place)}


def _is_busy_worker(words: str) -> bool:
    """Whether a process, by its command line, is a worker of Ray that does something."""
    return words.startswith("ray::") and not words.startswith("ray::IDLE")


def again(normal: Undisturbed, place: Place) -> list[str]:
    """Run a command to its end where something happened before; what is wrong with it."""
    normal.command.lay_out(place)
    status, output = normal.command.start(place).finish()
    if status:
        return [f"the next command ends with {status}: {_last_line(output)}"]
    if said := job_error(place):
        return [f"the next job ends with: {said}"]
    faults = _unfinished_faults(place, "at the end")
    if fingerprint(place.out / normal.command.result) != normal.result:
        faults.append("another result")
    if extra := set(place.files()) - set(normal.files):
        faults.append(f"stray files: {sorted(extra)[:3]}")
    return faults + _process_faults(place)


def fill_disk(normal: Undisturbed, place: Place, what: str, size_kb: int) -> dict[str, Any]:
    """Run a command whose result or cache lies on a small disk, then again on a large one."""
    folder = place.out if what == "result" else place.cache
    with _mounted(folder, f"size={size_kb}k"):
        status, output = _try(normal.command, place)
        faults = _error_faults(status, output) + _unfinished_faults(place, "on the full disk")
        result = folder / normal.command.result
        if status == 0 and what == "result" and result.exists() and fingerprint(result) != normal.result:
            faults.append("another result")
        if status and result.exists() and fingerprint(result) not in (normal.result, "half-trained"):
            faults.append("a wrong result after an error")
        faults += _process_faults(place)
    said = job_error(place) or _last_line(output)
    return {"on": what, "size_kb": size_kb, "status": status, "said": said, "faults": faults + again(normal, place)}


def write_nowhere(normal: Undisturbed, place: Place, what: str) -> dict[str, Any]:
    """Run a command whose result or cache would lie on a disk that cannot be written to."""
    folder = place.out if what == "result" else place.cache
    with _mounted(folder, "ro"):
        status, output = _try(normal.command, place)
    faults = _error_faults(status, output) + (["no error"] if status == 0 and what == "result" else [])
    return {"on": what, "status": status, "said": _last_line(output), "faults": faults + again(normal, place)}


def take_rights(normal: Undisturbed, place: Place, what: str) -> dict[str, Any]:
    """Run a command that may not write to the folder of the result or the cache."""
    folder = place.out if what == "result" else place.cache
    folder.mkdir()
    if normal.command.is_server and what == "result":  # what it writes to is there before it starts
        normal.command.lay_out(place)
    folders = [folder, *filter(Path.is_dir, folder.rglob("*"))]
    for each in folders:
        each.chmod(0o555)
    status, output = _try(normal.command, place, is_bound=True)
    for each in folders:
        each.chmod(0o755)
    needs_it = what == "result" or normal.command.name != "train"
    faults = _error_faults(status, output) + (["no error"] if status == 0 and needs_it else [])
    return {"on": what, "status": status, "said": _last_line(output), "faults": faults + again(normal, place)}


def _try(command: Command, place: Place, *, is_bound: bool = False) -> tuple[int, str]:
    """Run a command where its place may be unusable; what it needs may not even be laid out."""
    try:
        command.lay_out(place)
    except (OSError, UserError):
        if not command.is_server:
            raise
    running = command.start(place, is_bound=is_bound)
    try:
        return running.finish(_STUCK_S if command.is_server else 1800.0)
    except TimeoutError:
        running.send(signal.SIGTERM)
        status, output = running.finish()
        return (0 if status == 130 else status), output


def run_together(normal: Undisturbed, place: Place) -> dict[str, Any]:
    """Run a command twice at once on one cache."""
    other = _Beside(place.folder, place.shared, place.stand_ins)
    for each in (place, other):
        normal.command.lay_out(each)
    running = [normal.command.start(each) for each in (place, other)]
    ends = [each.finish() for each in running]
    faults = [f"status {status}: {_last_line(output)}" for status, output in ends if status]
    results = [each.out / normal.command.result for each in (place, other)]
    faults += ["another result"] * any(not path.exists() or fingerprint(path) != normal.result for path in results)
    waited = sum("waiting for another dancenow" in output for _, output in ends)
    return {"waited": waited, "faults": faults + _unfinished_faults(place, "at the end") + _process_faults(place)}


class _Beside(Place):
    """A place with another result and the same cache."""

    @property
    def out(self) -> Path:
        return self.folder / "other"


def damage(normal: Undisturbed, place: Place, rng: random.Random) -> dict[str, Any]:
    """Damage every file of the cache of a command that ran, and run it again."""
    normal.command.lay_out(place)
    normal.command.start(place).finish()
    shutil.rmtree(place.out)
    files = [path for path in sorted(place.cache.rglob("*")) if path.is_file() and _is_harmed(path, place)]
    for path in files:
        content = bytearray(path.read_bytes())
        match rng.choice(["change", "cut", "zero"]) if content else "none":
            case "change":
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            case "cut":
                del content[rng.randrange(len(content)) :]
            case "zero":
                content = bytearray(len(content))
        path.write_bytes(content)
    return {"files": len(files), "faults": again(normal, place)}


def _is_harmed(path: Path, place: Place) -> bool:
    return path.relative_to(place.cache).parts[0] not in _UNHARMED


def _unfinished_faults(place: Place, when: str) -> list[str]:
    return [f"unfinished {when}: {place.unfinished()[0]}"] if place.unfinished() else []


def _process_faults(place: Place) -> list[str]:
    """Whether a process of a command is left after a while."""
    end_s = time.monotonic() + _GRACE_S
    while (left := list(place.helpers())) and time.monotonic() < end_s:
        time.sleep(0.2)
    return [f"a process is left: {left[0][1][:80]}"] if left else []


def _error_faults(status: int, output: str) -> list[str]:
    faults = ["traceback"] * ("Traceback" in output)
    return faults + ([f"status {status}"] if status not in (0, 1, 2) else [])


def _last_line(output: str) -> str:
    return output.strip().splitlines()[-1][:240] if output.strip() else ""


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    """A disk in memory at `folder`."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "dancenow-chaos", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a disk."""
    try:
        with _mounted(folder / "probe", "size=64k"):
            pass
        (folder / "probe").rmdir()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def main(options: Options) -> None:
    """Run everything and write the table after each try."""
    rng, end_s = random.Random(options.seed), time.monotonic() + 60 * options.minutes
    rows: list[dict[str, Any]] = json.loads(options.out.read_text("utf-8"))["tries"] if options.out.exists() else []
    commit = versions()["commit"]
    kept = tempfile.TemporaryDirectory(prefix="dancenow-chaos-") if options.shared is None else nullcontext()
    with kept as scratch:
        shared = options.shared or Path(scratch or "") / "shared"
        if not (shared / "code").exists():
            create_shared(shared, options.stand_ins)
        tries = shared.parent / "tries"
        shutil.rmtree(tries, ignore_errors=True)
        tries.mkdir()
        mounts, planned = can_mount(tries), []
        for command in (each for each in COMMANDS if each.name in options.commands):
            place = Place(tries / f"normal-{command.name}", shared, options.stand_ins)
            normal = run_undisturbed(command, place)
            shutil.rmtree(place.folder)
            planned.append([(normal, *each) for each in _disturbances(normal, options, rng, mounts)])
        in_turn = filter(None, (each for turn in zip_longest(*planned) for each in turn))
        for count, (normal, kind, disturb) in enumerate(in_turn):  # what is stopped early has tried every command
            if time.monotonic() > end_s:
                break
            place = Place(tries / f"try{count}", shared, options.stand_ins)
            place.folder.mkdir()
            known = {"kind": kind, "command": normal.command.name, "networks": _networks(options), "commit": commit}
            rows.append({**known, **disturb(place)})
            print(rows[-1], flush=True)
            shutil.rmtree(place.folder)
            _write(options, rows)


def _networks(options: Options) -> str:
    return "stand-ins" if options.stand_ins else "real"


def _disturbances(normal: Undisturbed, options: Options, rng: random.Random, mounts: bool) -> Iterator[Disturbance]:
    """What is done to a command, in order: some kills between the others."""
    kills = [
        ("kill", partial(kill, normal, rng=rng, fresh=number % 4 == 3 and not options.stand_ins))
        for number in range(options.kills)
    ]
    others: list[Disturbance] = [
        ("undisturbed", lambda place: {"seconds": round(normal.seconds, 1), "faults": again(normal, place)}),
        ("together", partial(run_together, normal)),
    ]
    if normal.command.name in _WITH_HELPERS:
        others += [("helper", partial(kill_helper, normal, rng=rng)) for _ in range(2)]
    if normal.command.name != "train":  # it keeps nothing in the cache
        others += [("damage", partial(damage, normal, rng=rng)) for _ in range(options.rounds)]
    if mounts:
        others += [("read-only", partial(write_nowhere, normal, what=what)) for what in ("result", "cache")]
        sizes = _PAGE_DISK_KB if normal.command.is_server else _DISK_KB
        full = [(what, size_kb) for size_kb in sizes for what in ("result", "cache")]
        others += [("full disk", partial(fill_disk, normal, what=what, size_kb=size_kb)) for what, size_kb in full]
    if sys.platform == "linux":
        others += [("no rights", partial(take_rights, normal, what=what)) for what in ("result", "cache")]
    for pair in zip_longest(kills, others):
        yield from filter(None, pair)


def _write(options: Options, rows: list[dict[str, Any]]) -> None:
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        survived, tried = map(int, table.setdefault(row["kind"], {}).get(row["command"], "0 of 0").split(" of "))
        table[row["kind"]][row["command"]] = f"{survived + (not row['faults'])} of {tried + 1}"
    found = {"survived": f"{sum(not row['faults'] for row in rows)} of {len(rows)}", "by_kind": table, "tries": rows}
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
