"""Archives of rendered people keep poses exactly and images nearly."""

from pathlib import Path

import numpy as np
import pytest

from dancenow.errors import UserError
from dancenow.research.recipes.clip_archives import SUFFIX, load_pack, load_packs, packs_in, save_pack
from helpers.crop_stores import a_store


def test_a_packed_person_comes_back(tmp_path: Path) -> None:
    store, path = a_store(1), tmp_path / f"one{SUFFIX}"
    save_pack(path, store)
    again = load_pack(path)
    for name in ("to_stored", "plate_to_frame", "starts", "length", "canvas_px", "plate"):
        assert np.array_equal(getattr(again, name), getattr(store, name))
    for name in ("xy", "confidence", "depth"):
        assert np.array_equal(getattr(again.pose, name), getattr(store.pose, name))
    for name in ("image", "mask"):
        before, after = (getattr(each, name) for each in (store, again))
        assert before.shape == after.shape
        assert after.dtype == np.uint8
        assert np.abs(before.astype(float) - after).mean() < 6


def test_packs_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, seed in (("b", 2), ("a", 1)):
        save_pack(tmp_path / f"{name}{SUFFIX}", a_store(seed))
    shapes = [store.plate.shape[0] for store in load_packs(packs_in(tmp_path), threads=2)]
    assert shapes == [8 * (5 + seed) for seed in (1, 2)]


def test_bad_packs_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no packed people"):
        packs_in(tmp_path)
    path = tmp_path / f"one{SUFFIX}"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a packed person"):
        load_pack(path)
    store = a_store(0)
    store.plate[0, 0, 3] = 0
    with pytest.raises(ValueError, match="complete plate"):
        save_pack(path, store)
