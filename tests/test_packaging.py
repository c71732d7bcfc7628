"""What a person installs: bounds that development satisfies, every file of the package, and its licence."""

import fnmatch
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements() -> list[Requirement]:
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in (*lines, *PROJECT["build-system"]["requires"])]


def test_every_dependency_has_a_lower_bound_and_no_pin() -> None:
    for each in requirements():
        assert [bound.operator for bound in each.specifier] == [">="], each


def test_the_pinned_versions_satisfy_the_bounds() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in (line.split("==") for line in lines)}
    for each in requirements():
        assert pinned[re.sub(r"[-_.]+", "-", each.name).lower()] in each.specifier, each


def test_every_file_of_the_package_is_in_the_wheel() -> None:
    package, patterns = ROOT / "src" / "dancenow", PROJECT["tool"]["setuptools"]["package-data"]["dancenow"]
    for path in package.rglob("*"):
        name = path.relative_to(package).as_posix()
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name
    assert all((folder / "__init__.py").is_file() for folder in {path.parent for path in package.rglob("*.py")})


def test_the_licence_goes_with_the_package() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert all((ROOT / name).is_file() for name in PROJECT["project"]["license-files"])
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_the_image_is_built_from_files_that_exist_with_a_python_that_is_supported() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied
    assert all((ROOT / name).exists() and f"!{name}" in ignored for name in copied)
    stages = [line.split()[1:] for line in lines if line.startswith("FROM ")]
    assert {"cpu", "cuda"} <= {stage[-1] for stage in stages}
    for image in (stage[0] for stage in stages if stage[0].startswith("python:")):
        assert Version(image.removeprefix("python:").partition("-")[0]) in SpecifierSet(PROJECT["project"]["requires-python"])
