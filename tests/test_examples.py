"""The examples run unmodified, with the real detector and the draft preset, on the first seconds of the shipped clips."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dancenow.assets import SOURCE, TARGET
from dancenow.media.sink import VideoWriter
from dancenow.media.source import probe, read_frames
from dancenow.storage import pretrained
from dancenow.storage.atomic_io import cache_dir

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment with a separate cache that already contains the pretrained files."""
    cache = tmp_path_factory.mktemp("cache")
    pretrained.fetch_all()
    shutil.copytree(cache_dir("weights"), cache / "weights")
    return {**os.environ, "DANCENOW_CACHE": str(cache)}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """1.5 s of the source video and 3 s of the target video."""
    folder = tmp_path_factory.mktemp("clips")

    def first(video: Path, frames: int) -> Path:
        info = probe(video)
        with VideoWriter(folder / video.name, info.width_px, info.height_px, fps=info.fps) as writer:
            for frame in read_frames(video, 0, frames):
                writer.write(frame.image_rgb, frame.time_s)
        return folder / video.name

    return first(SOURCE, 45), first(TARGET, 90)


def run_example(name: str, environment: dict[str, str], *words: str | Path) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_videos(clips: tuple[Path, Path], environment: dict[str, str], tmp_path: Path) -> None:
    output = run_example("01_two_videos.py", environment, *clips, tmp_path / "out.mp4", "12images")
    assert probe(tmp_path / "out.mp4").num_frames == 45
    assert "scale" in output
    assert "only 3 s of the person" in output


def test_three_steps(clips: tuple[Path, Path], environment: dict[str, str], tmp_path: Path) -> None:
    output = run_example("02_three_steps.py", environment, "12images", clips[1], tmp_path, clips[0])
    assert (tmp_path / "model.safetensors").is_file()
    assert str(tmp_path / clips[0].name) in output


def test_poses(clips: tuple[Path, Path], environment: dict[str, str]) -> None:
    output = run_example("03_poses.py", environment, clips[0])
    assert "45 frames" in output
    assert "100% measured" in output
