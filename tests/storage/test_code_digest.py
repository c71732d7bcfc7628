"""What changes the digest of some code, and what does not."""

import ast
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

import dancenow
from dancenow import assets
from dancenow.storage.code_digest import CodeIndex, code_digest

FILES = {
    "__init__.py": '"""The package."""\n__version__ = "1"\n',
    "errors.py": "class UserError(Exception): ...\n",
    "detect.py": '"""Find."""\nfrom toy.errors import UserError\nfrom toy.maths import double\ndef find(x):\n    if x < 0:\n'
    '        raise UserError(f"{x} is negative")\n    return double(x)\n',
    "maths.py": "def double(x):\n    return 2 * x\n",
    "registry.py": "def create():\n    from toy.detect import find\n\n    return find\n",
    "run.py": "from typing import TYPE_CHECKING\nfrom toy.registry import create\nif TYPE_CHECKING:\n    import toy.other\n",
    "other.py": "x = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "toy"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def digest(package: Path) -> Callable[..., str]:
    return lambda *modules, **options: CodeIndex(package, "toy").digest(modules, **options)


def edit(path: Path, old: str, new: str) -> None:
    """Change a file so that its time changes, too."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("detect.py", '"""Find."""', '"""Find something."""'),
        ("detect.py", "return double(x)", "return double( x )  # twice"),
        ("detect.py", "is negative", "must not be negative"),
        ("errors.py", "...", "pass"),
        ("other.py", "1", "2"),
        ("__init__.py", '"1"', '"2"'),
    ],
)
def test_what_does_not_change_a_result_does_not_change_the_digest(
    package: Path, digest: Callable[..., str], file: str, old: str, new: str
) -> None:
    before = digest("toy.detect")
    edit(package / file, old, new)
    assert digest("toy.detect") == before


def test_code_of_a_module_and_of_what_it_imports_counts(package: Path, digest: Callable[..., str]) -> None:
    before = digest("toy.detect")
    edit(package / "maths.py", "2 *", "3 *")
    changed = digest("toy.detect")
    assert changed != before
    edit(package / "maths.py", "3 *", "2 *")
    assert digest("toy.detect") == before


def test_a_registry_is_followed_only_if_wanted(package: Path, digest: Callable[..., str]) -> None:
    with_registry, without = digest("toy.run"), digest("toy.run", through_registries=False)
    edit(package / "maths.py", "2 *", "3 *")
    assert digest("toy.run") != with_registry
    assert digest("toy.run", through_registries=False) == without


def test_what_only_type_checkers_read_does_not_count(package: Path, digest: Callable[..., str]) -> None:
    before = digest("toy.run")
    edit(package / "other.py", "1", "2")
    assert digest("toy.run") == before


def test_a_damaged_index_is_made_again(digest: Callable[..., str], tmp_path: Path) -> None:
    before = digest("toy.detect")
    (index,) = (tmp_path / "cache" / "code").iterdir()
    index.write_text("{")
    assert digest("toy.detect") == before
    index.write_text('{"x": {"y": 1}}')
    assert digest("toy.detect") == before


def test_only_changed_files_are_parsed_again(
    package: Path, digest: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    real = ast.parse

    def count(source: bytes) -> object:
        parsed.append(source.decode()[:20])
        return real(source)

    monkeypatch.setattr("dancenow.storage.code_digest.ast.parse", count)
    digest("toy.detect")
    first = len(parsed)
    digest("toy.detect")
    assert (first, len(parsed)) == (2, 2)
    edit(package / "maths.py", "2 *", "3 *")
    digest("toy.detect")
    assert len(parsed) == 3


def test_a_pose_measurement_does_not_depend_on_training_or_reports() -> None:
    modules = ("dancenow.pose.pipeline", "dancenow.pose.detectors.blazepose")
    index = CodeIndex(Path(str(resources.files("dancenow"))), "dancenow")
    reached = index._reached(set(modules), through_registries=False)
    assert "dancenow.pose.tracking.tracker" in reached
    assert not [name for name in reached if name.startswith(("dancenow.training", "dancenow.report", "dancenow.cli"))]
    assert code_digest(*modules) == code_digest(*modules)


def test_weights_that_are_not_there_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module, weights = "dancenow.generators.references.task", tmp_path / "weights.safetensors"
    monkeypatch.setattr(assets, "REFERENCES_BASE", weights)

    def digest() -> str:
        return CodeIndex(Path(dancenow.__file__).parent, "dancenow").digest([module])

    without = digest()
    weights.write_bytes(b"weights")
    assert digest() != without
