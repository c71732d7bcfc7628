"""Disturb commands and compare their results: `python -m dancenow.research.robustness.chaos -o TABLE.json`.

    kill        SIGKILL, SIGTERM or SIGHUP at a random moment, then the same command again
    full disk   the result, the cache, or both on a disk of a few kB to MB (needs the right to mount)
    read-only   the result on a disk that cannot be written to
    together    the same command twice at once, on one cache
    damage      bytes of every file in the cache changed, cut off or zeroed, then the same command again

A try survives if the result in the end is that of an undisturbed command, no unfinished file is left anywhere, an error was one
sentence without a traceback, and a polite signal was obeyed in time.
"""

import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from dancenow.research.robustness.world import COMMANDS, Command, Place, create_shared, fingerprint, finish
from dancenow.storage.atomic_io import complete_or_absent

_SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
_DISK_KB: Final = (16, 400, 6000)
_GRACE_S: Final = 10.0
"""A command that was told politely has to end within this time."""
_UNHARMED: Final = ("weights", "code", ".locks")
"""Folders of the cache that are checked elsewhere, or would only be made again."""


@dataclass(frozen=True)
class Undisturbed:
    """A command's time, result and files when nothing happens."""

    command: Command
    seconds: float
    result: str
    files: list[str]


@dataclass(frozen=True)
class Options:
    """out: the JSON to write. kills: of each command. rounds: of damage. seed: of all random moments."""

    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    kills: int = 25
    rounds: int = 3
    seed: int = 0


def run_undisturbed(command: Command, place: Place) -> Undisturbed:
    """Run a command in a new place."""
    start_s = time.monotonic()
    status, output = finish(place.start(command.words(place)))
    if status:
        raise RuntimeError(output)
    return Undisturbed(command, time.monotonic() - start_s, fingerprint(place.out / command.result), place.files())


def kill(normal: Undisturbed, place: Place, rng: random.Random) -> dict[str, Any]:
    """Kill a command once and run it again; what happened."""
    number, at_s = rng.choice(_SIGNALS), rng.uniform(0.2, 1.05) * normal.seconds
    process = place.start(normal.command.words(place))
    try:
        finish(process, at_s)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    start_s = time.monotonic()
    _, output = finish(process)
    took_s = time.monotonic() - start_s
    faults = [] if number is signal.SIGKILL else _unfinished_faults(place, "after the signal")
    faults += ["traceback"] * ("Traceback" in output)
    if number is not signal.SIGKILL and took_s > _GRACE_S:
        faults.append(f"obeyed after {took_s:.0f} s")
    return {"signal": number.name, "at_s": round(at_s, 1), "took_s": round(took_s, 2), "faults": faults + again(normal, place)}


def again(normal: Undisturbed, place: Place) -> list[str]:
    """Run a command to its end where something happened before; what is wrong with it."""
    status, output = finish(place.start(normal.command.words(place)))
    if status:
        return [f"the next command ends with {status}: {output.strip().splitlines()[-1][:200]}"]
    faults = _unfinished_faults(place, "at the end")
    if fingerprint(place.out / normal.command.result) != normal.result:
        faults.append("another result")
    if extra := set(place.files()) - set(normal.files):
        faults.append(f"stray files: {sorted(extra)[:3]}")
    return faults


def fill_disk(normal: Undisturbed, place: Place, what: str, size_kb: int) -> dict[str, Any]:
    """Run a command whose result or cache lies on a small disk, then again on a large one."""
    folder = place.out if what == "result" else place.cache
    with _mounted(folder, f"size={size_kb}k"):
        status, output = finish(place.start(normal.command.words(place)))
        faults = _error_faults(status, output) + _unfinished_faults(place, "on the full disk")
        if status == 0 and what == "result" and fingerprint(folder / normal.command.result) != normal.result:
            faults.append("another result")
        if status and (folder / normal.command.result).exists() and normal.command.name != "train":
            faults.append("a result after an error")
    return {
        "on": what,
        "size_kb": size_kb,
        "status": status,
        "said": _last_line(output),
        "faults": faults + again(normal, place),
    }


def write_nowhere(normal: Undisturbed, place: Place) -> dict[str, Any]:
    """Run a command whose result would lie on a disk that cannot be written to."""
    with _mounted(place.out, "ro"):
        status, output = finish(place.start(normal.command.words(place)))
    faults = _error_faults(status, output) + (["no error"] if status == 0 else [])
    return {"status": status, "said": _last_line(output), "faults": faults + again(normal, place)}


def run_together(normal: Undisturbed, place: Place) -> dict[str, Any]:
    """Run a command twice at once on one cache."""
    other = Place(place.folder / "other", place.shared)
    words = [word.replace(str(place.out), str(other.out)) for word in normal.command.words(place)]
    other.out.mkdir(parents=True)
    processes = [place.start(normal.command.words(place)), place.start(words)]
    outputs = [finish(process) for process in processes]
    faults = [f"status {status}: {_last_line(output)}" for status, output in outputs if status]
    results = [each.out / normal.command.result for each in (place, other)]
    faults += ["another result"] * any(not path.exists() or fingerprint(path) != normal.result for path in results)
    waited = sum("waiting for another dancenow" in output for _, output in outputs)
    return {"waited": waited, "faults": faults + _unfinished_faults(place, "at the end")}


def damage(normal: Undisturbed, place: Place, rng: random.Random) -> dict[str, Any]:
    """Damage every file of the cache of a command that ran, and run it again."""
    finish(place.start(normal.command.words(place)))
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


def _error_faults(status: int, output: str) -> list[str]:
    faults = ["traceback"] * ("Traceback" in output)
    return faults + ([f"status {status}"] if status not in (0, 2) else [])


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
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def main(options: Options) -> None:
    """Run everything and write the table after each try."""
    rng, rows = random.Random(options.seed), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory(prefix="dancenow-chaos-") as scratch:
        shared, count = Path(scratch) / "shared", 0
        create_shared(shared)

        def attempt(kind: str, normal: Undisturbed, disturb: Callable[[Place], dict[str, Any]]) -> None:
            nonlocal count
            count += 1
            place = Place(Path(scratch) / f"try{count}", shared)
            place.folder.mkdir()
            row = {"kind": kind, "command": normal.command.name, **disturb(place)}
            rows.append(row)
            print(row, flush=True)
            shutil.rmtree(place.folder)
            _write(options, rows)

        mounts, planned = can_mount(shared), []
        for command in COMMANDS:
            place = Place(Path(scratch) / f"normal-{command.name}", shared)
            normal = run_undisturbed(command, place)
            shutil.rmtree(place.folder)
            planned.append([(normal, *each) for each in _disturbances(normal, options, rng, mounts)])
        for in_turn in zip_longest(*planned):  # so that what is stopped early has tried every command
            for normal, kind, disturb in filter(None, in_turn):
                attempt(kind, normal, disturb)


def _disturbances(
    normal: Undisturbed, options: Options, rng: random.Random, mounts: bool
) -> Iterator[tuple[str, Callable[[Place], dict[str, Any]]]]:
    """What is done to a command, in order."""
    yield "undisturbed", lambda place: {"seconds": round(normal.seconds, 1), "faults": again(normal, place)}
    yield from (("kill", partial(kill, normal, rng=rng)) for _ in range(options.kills))
    yield "together", partial(run_together, normal)
    if normal.command.name != "train":  # it keeps nothing in the cache
        yield from (("damage", partial(damage, normal, rng=rng)) for _ in range(options.rounds))
    if mounts:
        yield "read-only", partial(write_nowhere, normal)
        for size_kb in _DISK_KB:
            yield "full disk", partial(fill_disk, normal, what=rng.choice(("result", "cache")), size_kb=size_kb)


def _write(options: Options, rows: list[dict[str, Any]]) -> None:
    kinds = sorted({row["kind"] for row in rows})
    table = {
        kind: {"tried": len(of_kind), "survived": sum(not row["faults"] for row in of_kind)}
        for kind in kinds
        if (of_kind := [row for row in rows if row["kind"] == kind])
    }
    with complete_or_absent(options.out) as temporary:
        temporary.write_text(json.dumps({"seed": options.seed, "table": table, "tries": rows}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
