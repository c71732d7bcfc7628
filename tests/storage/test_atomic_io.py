"""Files and folders appear complete or not at all, existing ones are kept on failure, and an error is one sentence."""

import errno
import os
from pathlib import Path

import pytest

from dancenow.errors import UserError
from dancenow.storage.atomic_io import all_or_none, complete_or_absent, require_writable


def write_folder(path: Path, content: str = "new") -> None:
    with complete_or_absent(path) as temporary:
        temporary.mkdir()
        (temporary / "letter.txt").write_text(content)


def test_an_interruption_between_the_two_renames_restores_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "me"
    write_folder(folder, "old")
    rename, renamed = Path.replace, []

    def interrupted(self: Path, target: Path) -> Path:
        renamed.append(target)
        if len(renamed) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_folder(folder)
    assert (folder / "letter.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]
    monkeypatch.undo()
    write_folder(folder)
    assert (folder / "letter.txt").read_text() == "new"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(UserError, match="it is a folder; give the name of a file"):
        require_writable(tmp_path / "folder")
    with (
        pytest.raises(UserError, match="it is a folder; give the name of a file"),
        complete_or_absent(tmp_path / "folder") as temporary,
    ):
        temporary.write_text("new")
    with pytest.raises(UserError, match="it is a file; give the name of a folder"):
        require_writable(tmp_path / "file", folder=True)
    with pytest.raises(UserError, match="it is a file; give the name of a folder"):
        write_folder(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "keep me"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_is_not_writable_is_reported_early_and_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"x\.npz: .*file is not a folder"):
        require_writable(tmp_path / "file" / "x.npz", ".npz")
    with pytest.raises(UserError, match=r"ends in \.npz"):
        require_writable(tmp_path / "x.txt", ".npz")
    require_writable(tmp_path / "not" / "yet" / "x.NPZ", ".npz")
    assert not (tmp_path / "not").exists(), "the check creates nothing"

    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", forbidden)
    with (
        pytest.raises(UserError, match=r"cannot write .*x\.npz: Permission denied"),
        complete_or_absent(tmp_path / "x.npz") as t,
    ):
        t.write_text("new")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match="is not writable"):
        require_writable(tmp_path / "x.npz")


def test_only_errors_of_the_output_are_reported_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), complete_or_absent(tmp_path / "out"):
        (tmp_path / "absent").read_text()
    with pytest.raises(UserError, match=r"cannot write .*out: No such file"), complete_or_absent(tmp_path / "out") as temporary:
        (temporary / "letter.txt").write_text("there is no such folder yet")
    with pytest.raises(UserError, match="disk is full"), complete_or_absent(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with complete_or_absent(tmp_path / "file.txt") as temporary:
            temporary.write_text("text")
            temporary.chmod(0o600)
        assert (tmp_path / "file.txt").stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt"]


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def write(count: int, content: str) -> None:
        with all_or_none(tmp_path / "a.txt", tmp_path / "b.txt") as files:
            for file in files[:count]:
                file.write_text(content)

    with pytest.raises(UserError, match=r"cannot write .*a\.txt"):
        write(1, "half")
    assert list(tmp_path.iterdir()) == []
    write(2, "whole")
    with pytest.raises(UserError):
        write(1, "half")  # the first was replaced already when the second one failed
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "whole", "b.txt": "whole"}


def test_a_failure_leaves_no_new_folder_and_names_the_file_as_it_would_have_been_called(tmp_path: Path) -> None:
    def write() -> None:
        with complete_or_absent(tmp_path / "new" / "deep" / "me") as folder:
            folder.mkdir()
            with complete_or_absent(folder / "masks.mkv"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError) as raised:
        write()
    assert str(raised.value).startswith(f"cannot write {tmp_path / 'new' / 'deep' / 'me' / 'masks.mkv'}: the disk is full")
    assert list(tmp_path.iterdir()) == []


def test_no_device_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="it is a device or a pipe"), complete_or_absent(tmp_path / "pipe") as temporary:
        temporary.write_text("text")
    with pytest.raises(UserError, match="it is a device or a pipe"):
        require_writable(tmp_path / "pipe")


def test_a_file_that_a_scanner_has_open_for_a_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old")
    rename, refused = Path.replace, list[Path]()

    def refuse_twice(self: Path, target: Path) -> Path:
        if target == out and len(refused) < 2:
            refused.append(self)
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(target))
        return rename(self, target)

    monkeypatch.setattr("dancenow.storage.atomic_io._WAITS_S", (0.0, 0.0, 0.0))  # as on Windows
    monkeypatch.setattr(Path, "replace", refuse_twice)
    with complete_or_absent(out) as temporary:
        temporary.write_text("new")
    assert out.read_text() == "new"
    assert len(refused) == 2


def test_a_path_that_is_too_long_for_windows_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.storage.atomic_io._LONGEST", 10)

    def absent(path: Path, mode: int = 0o777) -> None:
        raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", f"{path} {mode}")

    monkeypatch.setattr(os, "mkdir", absent)
    with pytest.raises(UserError, match="too long for Windows"), complete_or_absent(tmp_path / "out.txt"):
        pass
