"""Fixtures for tests of the studio, which need its extra; two dressed bodies are built once."""

import importlib.util

import pytest

from dancenow.research.studio.body import Body, build_body
from dancenow.research.studio.identity import IDENTITIES

missing = [name for name in ("anny", "warp") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if missing else []


@pytest.fixture(scope="session")
def ada() -> Body:
    return build_body(IDENTITIES["ada"])


@pytest.fixture(scope="session")
def ben() -> Body:
    return build_body(IDENTITIES["ben"])
