"""The guide to `dancenow detect`: its commands exist with the options that it names."""

import re
from pathlib import Path

import pytest

from dancenow.cli.main import main

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "detect.md"
COMMAND = re.compile(r"^ +dancenow (\w+) ([^#\n]*)", re.MULTILINE)


def test_every_command_of_the_guide_exists_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    commands = COMMAND.findall(GUIDE.read_text("utf-8"))
    assert {name for name, _ in commands} == {"detect", "studio", "prepare", "train", "transfer"}
    for name in sorted({name for name, _ in commands}):
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0
        known = capsys.readouterr().out
        for option in {word for other, rest in commands if other == name for word in rest.split() if word.startswith("--")}:
            assert option in known, (name, option)
