"""A refactoring must not change results: tracks, ten training steps and frames are those that were recorded before it.

`python tests/golden/test_golden.py` records them again, after a change that is meant to change them; say so in the log.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dancenow.subject.subject import Subject
from helpers.golden_results import compute, machine, summary

GOLDEN = Path(__file__).with_name("golden.json")
ADVERSARIAL = ("edn.", "heatmaps.")
"""Of families that learn against a discriminator from the first step: on other machines means and spreads are compared."""


@pytest.mark.slow
def test_results_are_those_that_were_recorded(drawn_subject: Subject, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    computed = {name: summary(array) for name, array in compute(drawn_subject)}
    (tmp_path / "golden.json").write_text(_text(computed), "utf-8")
    assert set(computed) == set(golden["arrays"])
    same_machine = golden["machine"] == machine()
    for name, expected in golden["arrays"].items():
        found = computed[name]
        assert found["shape"] == expected["shape"], name
        if same_machine:
            assert found["sha256"] == expected["sha256"], f"{name} is not the same bit for bit"
        else:
            compared = 2 if name.startswith(ADVERSARIAL) else None
            actual, desired = _numbers(found)[:compared], _numbers(expected)[:compared]
            np.testing.assert_allclose(actual, desired, rtol=0.05, atol=0.05, err_msg=name)


def _numbers(each: dict[str, Any]) -> list[float]:
    return [each["mean"], each["spread"], *each["picked"]]


def _text(arrays: dict[str, Any]) -> str:
    return json.dumps({"machine": machine(), "arrays": arrays}, indent=1) + "\n"


if __name__ == "__main__":
    import os
    import sys
    import tempfile

    import torch

    from helpers.drawn_world import make_subject

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        os.environ["DANCENOW_CACHE"] = os.environ["DANCENOW_HOME"] = folder
        subject = make_subject(Path(folder), monkeypatch)
        recorded = {name: summary(array) for name, array in compute(subject)}
    GOLDEN.write_text(_text(recorded), "utf-8")
    sys.stdout.write(f"{len(recorded)} arrays recorded\n")
