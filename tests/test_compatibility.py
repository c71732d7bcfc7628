"""Names of the previous version keep working, with a warning that gives the new name."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from dancenow import compatibility, detect_poses, errors, run
from dancenow.compatibility import renamed_keywords

MODULES, NAMES = compatibility.table()
OPTIONAL = ("dancenow.studio", "dancenow.training.people", "dancenow.training.closeups", "dancenow.bench", "dancenow.dataset")
"""Modules that need extras."""


def test_an_old_module_provides_the_renamed_objects() -> None:
    with pytest.warns(DeprecationWarning, match=r"dancenow\.consent is now dancenow\.provenance\.consent"):
        old = importlib.import_module("dancenow.consent")
    new = importlib.import_module("dancenow.provenance.consent")
    assert old.consent is new.consent
    sys.modules.pop("dancenow.consent")


def test_an_old_name_in_an_unmoved_module_works() -> None:
    from dancenow import progress

    with pytest.warns(DeprecationWarning, match=r"progress\.Listener is now dancenow\.progress\.ProgressCallback"):
        assert progress.Listener is progress.ProgressCallback  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no attribute 'NeverThere'"):
        _ = progress.NeverThere  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("old", [name for name in MODULES if not name.startswith(OPTIONAL)])
def test_every_old_module_can_be_imported(old: str) -> None:
    importlib.import_module(old)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("old", [name for name in NAMES if not name.startswith(OPTIONAL)])
def test_every_old_name_resolves(old: str) -> None:
    module = importlib.import_module(old)
    for name in NAMES[old]:
        assert getattr(module, name) is not None


def test_an_unknown_module_is_still_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"dancenow\.never_there"):
        importlib.import_module("dancenow.never_there")


def test_old_keywords_are_passed_on_with_a_warning() -> None:
    @renamed_keywords(listen="on_progress")
    def work(*, on_progress: int = 0) -> int:
        return on_progress

    with pytest.warns(DeprecationWarning, match="the argument listen of work is now on_progress"):
        assert work(listen=3) == 3  # type: ignore[call-arg]
    assert work(on_progress=2) == 2


def test_public_functions_take_the_old_progress_keyword(tmp_path: Path) -> None:
    missing = tmp_path / "missing.mp4"
    with pytest.warns(DeprecationWarning, match="on_progress"), pytest.raises(errors.UserError):
        detect_poses(missing, listen=lambda _: None)  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="on_progress"), pytest.raises(errors.UserError):
        run(missing, missing, tmp_path / "out.mp4", listen=lambda _: None)  # type: ignore[call-arg]


def test_the_old_import_of_the_readme_works_in_a_fresh_process() -> None:
    program = "from dancenow import prepare, train, transfer; from dancenow.consent import consent; print(consent('self').kind)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "self"
