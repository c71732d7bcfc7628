"""The hierarchy of errors: what a program can catch, and what the command line prints with exit status 2."""

import inspect

import pytest

from dancenow import errors
from dancenow.cli import main as cli
from dancenow.errors import Cancelled, DancenowError, UserError

PARENTS = {
    "DancenowError": "Exception",
    "UserError": "DancenowError",
    "InputError": "UserError",
    "OutputError": "UserError",
    "OptionError": "UserError",
    "ConsentError": "UserError",
    "ModelError": "UserError",
    "TrainingError": "UserError",
    "DeviceError": "UserError",
    "DependencyError": "UserError",
    "DownloadError": "DependencyError",
    "Cancelled": "DancenowError",
}


def test_the_hierarchy_is_the_documented_one() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert {name: each.__bases__[0].__name__ for name, each in classes.items()} == PARENTS
    assert all(name in (errors.__doc__ or "") for name in PARENTS)


def test_cancelling_is_not_bad_input() -> None:
    assert issubclass(Cancelled, DancenowError)
    assert not issubclass(Cancelled, UserError)


@pytest.mark.parametrize("name", [name for name in PARENTS if issubclass(getattr(errors, name), UserError)])
def test_bad_input_is_one_sentence_and_exit_status_2(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise getattr(errors, name)("the disk is full: make room.")

    monkeypatch.setattr(cli, "_commands", lambda **_: {"fail": fail, "other": fail})
    with pytest.raises(SystemExit) as ended:
        cli.main(["fail"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip() == "dancenow: the disk is full: make room."
