"""The whole way at the size of a smoke test: a rendered world, the real detector, trainings of a few pictures, and the page."""

import importlib.util
import json
from pathlib import Path

import pytest

from dancenow.bench import ablation, page
from dancenow.bench.benches import run_benches
from dancenow.bench.methods import METHODS
from dancenow.files import cache_dir
from dancenow.progress import Progress

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("anny", "warp")), reason="truth is rendered by the studio extra"
    ),
]


def test_an_ablation_from_nothing_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = cache_dir("weights")
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(weights.absolute(), target_is_directory=True)
    few = {name: METHODS[name] for name in ("truth, encoded again", "+ temporal smoothing", "ours")}
    monkeypatch.setattr(ablation, "METHODS", few)
    (written,) = run_benches(["ablation"], "smoke", tmp_path / "results")
    result = json.loads(written.read_text("utf-8"))
    assert [cell["method"] for cell in result["cells"]] == list(few)
    for protocol in ("held-out time", "transfer"):
        truth, *others = (result["summary"][protocol][name]["figures"]["SSIM, person"]["mean"] for name in few)
        assert truth > 0.9
        assert all(truth > other for other in others)
    assert [cell.get("images_seen") for cell in result["cells"]] == [None, 4, 4]

    events: list[Progress] = []
    (again,) = run_benches(["ablation"], "smoke", tmp_path / "results", events.append)
    assert not [event for event in events if event.stage == "ablation"]  # everything was kept
    assert json.loads(again.read_text("utf-8"))["cells"] == result["cells"]

    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(written.parent).read_text("utf-8")
    shown = f"{result['summary']['transfer']['ours']['figures']['SSIM, person']['mean']:.3f}"
    assert shown in next(line for line in text.split("Transfer across")[1].splitlines() if line.startswith("| ours "))
