"""Overlays in subject folders and models: they come back as they were, and a folder without them is as before."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dancenow.errors import UserError
from dancenow.generators.crop.dataset import Augmentation, CropDataset
from dancenow.networks.warping import composite
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.manifest import MANIFEST
from dancenow.subject.overlays import ContentBox, Overlays, load_overlays, save_overlays
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from helpers.drawn_world import make_subject


def bars_and_logo(width: int, height: int) -> Overlays:
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[:10, :, 3] = 255
    rgba[20:30, 20:40] = (250, 10, 20, 128)
    mask = rgba[..., 3] > 0
    mask[40, 40] = True
    return Overlays.of_images(rgba, mask)


def with_overlays(subject: Subject, overlays: Overlays) -> Subject:
    save_overlays(subject.folder, overlays)
    files = {**subject.manifest.files, **{path.name: sha256_of(path) for path in subject.folder.glob("overlay*.png")}}
    (subject.folder / MANIFEST).write_text(replace(subject.manifest, files=files).to_json())
    return Subject.open(subject.folder)


def test_overlays_come_back_from_a_subject_folder_and_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = make_subject(tmp_path / "me", monkeypatch)
    assert plain.overlays is None
    assert Target.of_checkpoint(Target.of_subject(plain).to_checkpoint("body")).overlay is None
    overlays = bars_and_logo(plain.manifest.width_px, plain.manifest.height_px)
    opened = with_overlays(plain, overlays)
    assert opened.overlays is not None
    np.testing.assert_array_equal(opened.overlays.rgba, overlays.rgba)
    np.testing.assert_array_equal(opened.overlays.mask, overlays.mask)
    assert opened.overlays.content == ContentBox(0, 10, plain.manifest.width_px, plain.manifest.height_px)
    kept = Target.of_checkpoint(Target.of_subject(opened).to_checkpoint("body")).overlay
    np.testing.assert_array_equal(kept, overlays.rgba)


def test_damaged_overlays_are_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = make_subject(tmp_path / "me", monkeypatch)
    opened = with_overlays(subject, bars_and_logo(subject.manifest.width_px, subject.manifest.height_px))
    (opened.folder / "overlay.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"overlay\.png has changed"):
        Subject.open(opened.folder)
    with pytest.raises(UserError, match="cannot be read"):
        load_overlays(opened.folder)
    (opened.folder / "overlay.png").unlink()
    with pytest.raises(UserError, match=r"overlay\.png is missing"):
        Subject.open(opened.folder)
    assert json.loads((opened.folder / MANIFEST).read_text())["files"]["overlay.png"]


def test_training_does_not_see_what_an_overlay_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = make_subject(tmp_path / "me", monkeypatch)
    height, width = subject.plate.known.shape
    rgba = np.zeros((height, width, 4), np.uint8)
    x, y = subject.track.pose.xy[:, 11:13].mean(axis=(0, 1)).astype(int)
    rgba[y - 15 : y + 15, x - 15 : x + 15] = (255, 255, 255, 255)
    hidden = with_overlays(subject, Overlays.of_images(rgba, rgba[..., 3] > 0))
    rng, device = np.random.default_rng(0), torch.device("cpu")
    clip = CropDataset.build(hidden, 64, 2).draw(2, rng, Augmentation(mirror=0.5), device)
    assert clip.shown is not None
    behind = clip.shown.expand_as(clip.image) == 0
    assert behind.float().mean() > 0.02
    torch.testing.assert_close(clip.image[behind], clip.plate[behind])
    generated = torch.rand(2, 2, 4, 64, 64, requires_grad=True)
    image = composite(clip.visible(generated), clip.plate)
    (image - clip.image).abs().sum().backward()
    assert generated.grad is not None
    hides = (clip.shown == 0).expand_as(generated)
    assert float(generated.grad[hides].abs().max()) == 0
    assert float(generated.grad[~hides].abs().mean()) > 0
    assert CropDataset.build(subject, 64, 2).draw(2, rng, Augmentation(), device).shown is None
