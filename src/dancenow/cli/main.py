"""The `dancenow` command: the table of commands, and what happens when one of them fails.

Bad input is one sentence on standard error and exit status 2; Ctrl-C and a polite kill are 130. A traceback needs `--debug`.
"""

import functools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NoReturn

from dancenow import __version__, execution
from dancenow.cli import interrupts
from dancenow.cli.encoding import accept_any_text
from dancenow.errors import UserError
from dancenow.storage.atomic_io import NO_ROOM

COMMANDS: Final = (
    "demo",
    "run",
    "batch",
    "web",
    "live",
    "prepare",
    "consent",
    "train",
    "transfer",
    "export",
    "check",
    "pose",
    "detect",
    "evaluate",
    "bench",
    "studio",
    "dataset",
    "weights",
    "cache",
)
"""In the order in which a person meets them. Each is the function of that name in the module of that name."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"dancenow {__version__}")
        return
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if threading.current_thread() is threading.main_thread():
        execution.native_loading = execution.closed_stderr
    accept_any_text()
    try:
        with interrupts.handled():
            _run(words)
    except UserError as error:
        _fail(str(error), debug)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "dancenow":
            raise
        name = error.name.partition(".")[0]
        _fail(f"this command needs the Python package {name}, which is not installed; install dancenow again with pip.", debug)
    except KeyboardInterrupt:
        _print_error(
            "dancenow: interrupted; finished steps are kept: `run`, `batch`, `bench` and `dataset make` go on by themselves,"
            " `train` with --resume."
        )
        sys.exit(interrupts.STATUS)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.errno is None:
            raise
        _fail(_what_the_system_said(error), debug)


def _fail(sentence: str, debug: bool) -> NoReturn:
    """Say what is wrong and exit, inside the handling of an error; with `debug`, raise the error."""
    if debug:
        raise
    _print_error(f"dancenow: {sentence}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)


def _what_the_system_said(error: OSError) -> str:
    """A sentence on a file or disk that no stage has one for."""
    where = "" if error.filename is None else f" with {os.fsdecode(error.filename)}"
    reason = os.strerror(error.errno or 0)
    remedy = "make room" if error.errno in NO_ROOM else "check its permissions" if isinstance(error, PermissionError) else ""
    return f"the system reports a problem{where}: {reason}; {remedy or 'check the disk'} and try again (--debug says more)."


def _run(words: Sequence[str]) -> None:
    """Parse the words, run their command, and keep the cache within its limit."""
    import tyro

    from dancenow.storage.cache_pruning import enforce_limit, remove_leftovers, size_limit

    size_limit()  # a limit that is no size is reported before the command runs
    remove_leftovers()
    # Positional arguments have the names that the texts use; "None" is not something to type.
    config = (tyro.conf.PositionalMetavarFromFieldName, tyro.conf.DisallowNone)
    commands = _commands(summaries=not words or words[0].startswith("-"))
    tyro.extras.subcommand_cli_from_dict(commands, prog="dancenow", description=_DESCRIPTION, args=words, config=config)
    enforce_limit()


def _print_error(text: str, **options: Any) -> None:
    from dancenow.cli.console import stderr

    with suppress(OSError):  # the terminal may be gone
        stderr.print(text, **options)


_DESCRIPTION: Final = "Make the person in one video dance like the person in another.\n\n--version prints the version."


def _commands(*, summaries: bool) -> dict[str, Callable[..., Any]]:
    """The function of every command by name; summaries: with the first line of its help alone, for the list of all."""
    commands = {name: getattr(import_module(f"dancenow.cli.{name}"), name) for name in COMMANDS}
    return {name: _summarized(command) for name, command in commands.items()} if summaries else commands


def _summarized(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same command, described by its first line."""
    summary = functools.wraps(command)(lambda *args, **kwargs: command(*args, **kwargs))
    summary.__doc__ = (command.__doc__ or "").partition("\n")[0]
    return summary


if __name__ == "__main__":
    main()
