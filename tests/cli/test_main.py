"""The command line from the outside: one sentence and status 2 for bad input, no traceback, fast start."""

import subprocess
import sys
from pathlib import Path

import pytest

import dancenow
from dancenow.cli import console
from dancenow.cli import main as cli
from dancenow.errors import UserError
from dancenow.progress import Progress


def _run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0), capsys.readouterr().err


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


def test_bad_input_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("hello")
    commands: list[tuple[str | Path, ...]] = [
        ("run", tmp_path / "absent.mp4", text, "-o", tmp_path / "out.mp4"),
        ("run", text, text, "-o", tmp_path / "out.mp4", "--budget", "whenever"),
        ("prepare", text, "-o", tmp_path / "subject"),
        ("train", tmp_path / "no-subject", "-o", tmp_path / "model.safetensors"),
        ("transfer", text, tmp_path / "no-model.safetensors", "-o", tmp_path / "out.mp4"),
        ("transfer", text, text, "-o", tmp_path / "out.mp4", "--frames", "first:last"),
        ("pose", text, "-o", tmp_path / "track.npz"),
        ("evaluate", text, text),
    ]
    for arguments in commands:
        status, error = _run(capsys, *arguments)
        assert status == 2, arguments
        assert error.startswith("dancenow: "), arguments
        assert error.count("\n") == 1, arguments
        assert "Traceback" not in error
    assert sorted(p.name for p in tmp_path.iterdir()) in (["cache", "text.mp4"], ["text.mp4"])


def test_a_package_that_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    monkeypatch.setattr("dancenow.pipeline.run", absent)
    status, error = _run(capsys, "run", tmp_path / "a.mp4", tmp_path / "b.mp4", "-o", tmp_path / "c.mp4")
    assert status == 2
    assert "needs the Python package torch, which is not installed" in error
    assert error.count("\n") == 1


def test_debug_gives_the_exception(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        cli.main(["prepare", str(tmp_path / "absent.mp4"), "-o", str(tmp_path / "s"), "--debug"])


def test_ctrl_c_is_status_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dancenow.pipeline.run", interrupted)
    status, error = _run(capsys, "run", tmp_path / "a.mp4", tmp_path / "b.mp4", "-o", tmp_path / "c.mp4")
    assert status == 130
    assert "interrupted" in error


@pytest.mark.slow
def test_a_terminated_command_leaves_nothing_half_written(tmp_path: Path) -> None:
    lines = [
        "import os, signal, sys",
        "from pathlib import Path",
        "from dancenow import pipeline",
        "from dancenow.cli.main import main",
        "from dancenow.storage.atomic_io import complete_or_absent",
        "def killed(source, target, out, **_):",
        "    with complete_or_absent(out) as temporary:",
        "        temporary.write_text('half')",
        "        os.kill(os.getpid(), signal.SIGTERM)",
        "        temporary.write_text('whole')",
        "pipeline.run = killed",
        f"main(['run', 'a.mp4', 'b.mp4', '-o', {str(tmp_path / 'c.mp4')!r}])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], check=False, capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_command_without_loading_torch() -> None:
    lines = ["import sys", "from dancenow.cli.main import main", "try:", "    main(['--help'])"]
    program = "\n".join([*lines, "finally:", "    assert 'torch' not in sys.modules"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for command in cli.COMMANDS:
        assert command in done.stdout


def test_version_starts_without_torch_or_anything_heavy() -> None:
    heavy = "{'torch', 'numpy', 'cv2', 'av', 'tyro', 'rich'}"
    program = f"import sys\nfrom dancenow.cli.main import main\nmain(['--version'])\nassert not {heavy} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"dancenow {dancenow.__version__}\n"


def test_without_a_terminal_there_is_one_line_per_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with console.live() as on_progress:
        for done in range(3):
            on_progress(Progress("training", done, 3))
        on_progress(Progress("generating", 1, 3))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("] ")[1] for line in lines] == ["training ...", "generating ..."]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_every_command_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    usage, *lines = capsys.readouterr().out.splitlines()
    assert usage.startswith(f"usage: dancenow {command}")
    assert max(map(len, lines)) <= 80
    assert "None" not in "".join(lines)


def test_the_help_shows_only_the_flag_that_changes_something(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    printed = capsys.readouterr().out
    assert "--no-report " in printed
    assert "--report" not in printed


def test_an_old_kind_of_normalization_is_renamed_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tmp_path / "no-model.safetensors"
    video = tmp_path / "absent.mp4"
    status, error = _run(capsys, "transfer", video, model, "-o", tmp_path / "out.mp4", "--normalize", "bones")
    assert status == 2
    assert "--normalize bones is now called --normalize skeletal" in error
    assert error.count("\n") == 2
