"""The bench of engines from nothing to the page, at a size that takes seconds."""

import json
from pathlib import Path

import pytest

from dancenow.bench import page
from dancenow.bench.benches import run_benches
from dancenow.bench.tables import number


def test_engines_from_nothing_to_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    (written,) = run_benches(["engines"], "smoke", tmp_path / "results")
    summary = json.loads(written.read_text("utf-8"))["summary"]
    assert summary["torch, float32"]["ratio"] == 1
    assert summary["torch, bfloat16"]["psnr_db"] > 40
    monkeypatch.setattr(page, "SHOWN_SIZES", ("smoke",))
    text = page.write_page(written.parent).read_text("utf-8")
    assert f"| torch, bfloat16 | {number(summary['torch, bfloat16']['cpu_ms'])} |" in text
