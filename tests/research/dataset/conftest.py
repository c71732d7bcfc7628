"""A small drawn dataset and its shards, made once; tests that modify something copy it."""

from pathlib import Path

import pytest

from dancenow.research.dataset.make import make_dataset
from dancenow.research.dataset.package import package
from helpers.drawn_dataset import SMALL, draw_instead_of_rendering


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def drawn_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people in three dances; read only."""
    out = tmp_path_factory.mktemp("dataset") / "drawn"
    with pytest.MonkeyPatch.context() as monkeypatch:
        draw_instead_of_rendering(monkeypatch)
        make_dataset(out, SMALL)
    return out


@pytest.fixture(scope="session")
def shards(drawn_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset in several shards; read only."""
    out = tmp_path_factory.mktemp("shards") / "packed"
    package(drawn_dataset, out, shard_mb=0.2)
    return out
