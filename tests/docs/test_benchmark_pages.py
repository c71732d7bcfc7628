"""The benchmark pages are what `dancenow bench page` writes from the committed results: no figure is typed by hand."""

import shutil
from pathlib import Path

import pytest

from dancenow.research.bench.page import write_page

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["benchmarks.md", "benchmark-summary.md"])
def test_the_page_is_written_from_the_committed_results(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    written = write_page(tmp_path / "benchmarks").with_name(name).read_text("utf-8")
    assert (ROOT / "docs" / name).read_text("utf-8") == written, "write it again: dancenow bench page"
