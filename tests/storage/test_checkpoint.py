"""Checkpoints describe themselves, survive a round trip, and are refused in one sentence if they are damaged or foreign."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from dancenow.errors import UserError
from dancenow.storage import checkpoint as checkpoint_module
from dancenow.storage.checkpoint import (
    Checkpoint,
    CheckpointInfo,
    load_checkpoint,
    read_info,
    save_checkpoint,
    with_prefix,
)


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Limit the size of files, which is as close to a full disk as a test can get."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _saved(path: Path) -> Checkpoint:
    info = CheckpointInfo("body", {"width": 8}, 120, 3.5, {"name": "someone"}, ("ab" * 32,))
    checkpoint = Checkpoint(info, with_prefix("net", {"weight": torch.arange(6.0).reshape(2, 3)}))
    save_checkpoint(path, checkpoint)
    return checkpoint


def test_round_trip(tmp_path: Path) -> None:
    saved = _saved(tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors", "body")
    assert loaded.info == saved.info == read_info(tmp_path / "model.safetensors")
    torch.testing.assert_close(loaded.part("net")["weight"], saved.tensors["net.weight"])


def test_another_kind_is_refused(tmp_path: Path) -> None:
    _saved(tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="holds a body model, but a face model"):
        load_checkpoint(tmp_path / "model.safetensors", "face")


def test_missing_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint"):
        read_info(tmp_path / "absent.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="did not write"):
        read_info(tmp_path / "foreign.safetensors")
    _saved(tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) - 9])
    (tmp_path / "noise.safetensors").write_bytes(b"\x93" * 400)
    for name in ("cut", "noise"):
        with pytest.raises(UserError, match="damaged"):
            load_checkpoint(tmp_path / f"{name}.safetensors", "body")


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    _saved(path)
    before = path.read_bytes()
    overlapping = torch.zeros(4)
    with pytest.raises(RuntimeError):
        save_checkpoint(path, Checkpoint(CheckpointInfo("body", {}), {"a": overlapping, "b": overlapping}))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_error_while_writing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing_for(reason: str) -> Callable[..., None]:
        def fail(*_: object, **__: object) -> None:
            raise SafetensorError(f"Error while serializing: I/O error: {reason}")

        return fail

    for reason, message in (
        ("No space left on device (os error 28)", "the disk is full"),
        ("File too large (os error 27)", "it is larger than the file system or a limit"),
        ("of another kind", "of another kind"),
    ):
        monkeypatch.setattr(checkpoint_module, "save_file", failing_for(reason))
        with pytest.raises(UserError, match=rf"cannot write .*model\.safetensors: .*{message}"):
            _saved(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_safetensors_reports_errors_in_the_expected_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"), files_up_to(1000):
        save_checkpoint(tmp_path / "model.safetensors", Checkpoint(CheckpointInfo("body", {}), {"a": torch.zeros(1000)}))
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_permission_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    _saved(path)
    with pytest.raises(UserError, match="is a folder"):
        read_info(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # a test that runs as root may read every file
    for read in (read_info, lambda path: load_checkpoint(path, "body")):
        with pytest.raises(UserError, match=r"model\.safetensors cannot be read; check its permissions\.$"):
            read(path)
