"""What the picture is put together from, and the engines that generate it: the same picture, whatever is saved on the way."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dancenow.execution import cpu_has_bfloat16, has_bfloat16
from dancenow.generators.crop.inference_backends import BACKENDS, EagerBackend, agreement_db, example, preferred, select_backend
from dancenow.generators.crop.network import Generator, GeneratorConfig
from dancenow.pose.person_crop import window
from dancenow.rendering.compositor import VEIL, compose
from dancenow.types import Crop, ImageRGB, Plate

SIDE = 64


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def plate() -> Plate:
    image_rgb = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    return Plate(image_rgb, np.ones((90, 120), np.bool_))


def painted(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float32]:
    """A canvas of noise with soft alpha in a box, and a veil everywhere."""
    rgba = np.random.default_rng(1).uniform(-1, 1, (SIDE, SIDE, 4)).astype(np.float32)
    rgba[..., 3] = 0.02
    rgba[y0:y1, x0:x1, 3] = np.random.default_rng(2).uniform(0.5, 1, (y1 - y0, x1 - x0))
    return rgba


def over_all(rgba: NDArray[np.float32], crop: Crop, behind: ImageRGB) -> NDArray[np.float64]:
    """The same without saving anything: the whole canvas over the whole frame, in float64."""
    alpha = np.clip((rgba[..., 3:].astype(np.float64) - VEIL) / (1 - 2 * VEIL), 0, 1)
    premultiplied = np.concatenate([(rgba[..., :3] + 1) * 127.5 * alpha, alpha], axis=2).astype(np.float32)
    shrink = 1 / math.sqrt(abs(float(np.linalg.det(crop.to_frame[:, :2]))))
    if shrink > 1.5:
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.4 * math.sqrt(shrink**2 - 1)).astype(np.float32)
    size = (behind.shape[1], behind.shape[0])
    whole = cv2.warpAffine(premultiplied, crop.to_frame, size, flags=cv2.INTER_CUBIC).astype(np.float64)
    corners = np.array([[-0.5, -0.5], [crop.size - 0.5, crop.size - 0.5]]) @ crop.to_frame[:, :2].T + crop.to_frame[:, 2]
    y, x = np.mgrid[: behind.shape[0], : behind.shape[1]]
    is_inside = (x >= np.floor(corners[0, 0])) & (x <= np.ceil(corners[1, 0]))
    whole[~(is_inside & (y >= np.floor(corners[0, 1])) & (y <= np.ceil(corners[1, 1])))] = 0  # the window's own limits
    return np.asarray(np.clip(whole[..., :3] + behind * (1 - np.clip(whole[..., 3:], 0, 1)), 0, 255))


@pytest.mark.parametrize("box", [(20, 10, 40, 60), (0, 0, 64, 64), (0, 30, 5, 34), (63, 63, 64, 64)])
@pytest.mark.parametrize(
    ("centre", "side_px"), [((60.0, 45.0), 80.0), ((61.3, 44.7), 33.3), ((5.0, 80.0), 70.0), ((119.0, 1.0), 20.0)]
)
def test_a_canvas_over_the_plate_is_what_it_would_be_without_leaving_anything_out(
    box: tuple[int, int, int, int], centre: tuple[float, float], side_px: float
) -> None:
    crop, behind = window(np.array(centre), side_px, SIDE), plate()
    made = compose(painted(*box), crop, behind)
    expected = over_all(painted(*box), crop, behind.image_rgb)
    assert np.abs(made - expected).max() < 1.0
    assert (made != behind.image_rgb).any() or (np.abs(expected - behind.image_rgb) < 1).all()


def test_a_veil_and_a_window_beside_the_frame_leave_the_plate_as_it_is() -> None:
    veil = np.full((SIDE, SIDE, 4), 0.02, np.float32)
    np.testing.assert_array_equal(compose(veil, window(np.array([60.0, 45.0]), 80.0, SIDE), plate()), plate().image_rgb)
    aside = window(np.array([500.0, 45.0]), 80.0, SIDE)
    np.testing.assert_array_equal(compose(painted(0, 0, 64, 64), aside, plate()), plate().image_rgb)


def test_in_half_precision_the_picture_is_the_same_to_the_eye() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False)
    assert agreement_db(BACKENDS["bfloat16"](generator), EagerBackend(generator), generator) > 40


@pytest.mark.skipif(not has_bfloat16(torch.device("cuda")), reason="needs a GPU that multiplies in bfloat16")
def test_a_graph_paints_the_same_after_others_have_asked_for_memory() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False).cuda()
    backend = BACKENDS["graph"](generator)
    others = [torch.full((size,), 1e4, device="cuda") for size in range(1, 2000)]
    assert agreement_db(backend, EagerBackend(generator), generator) > 40
    assert all(float(other[-1]) == 1e4 for other in others[::100])


def test_half_precision_is_taken_only_where_the_processor_has_it(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dancenow.execution.cpu_has_bfloat16", lambda: False)
    assert select_backend(generator).name == "float32"
    monkeypatch.setattr("dancenow.execution.cpu_has_bfloat16", lambda: True)
    assert select_backend(generator).name == "bfloat16"
    assert isinstance(cpu_has_bfloat16(), bool)
    assert preferred(torch.device("meta")) == ()


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("generation", [7, 8])
def test_a_gpu_that_only_emulates_half_precision_is_not_given_it(
    generation: int, is_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new(including_emulation: bool = True) -> bool:
        return including_emulation or generation >= 8

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", (lambda: True) if is_old else new)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (generation, 0))
    gpu = torch.device("cuda")
    assert has_bfloat16(gpu) == (generation >= 8)
    assert preferred(gpu) == (("graph", "bfloat16") if generation >= 8 else ())


def test_half_precision_needs_a_device_that_is_there() -> None:
    assert has_bfloat16(torch.device("cpu")) == cpu_has_bfloat16()
    assert not has_bfloat16(torch.device("meta"))
    assert has_bfloat16(torch.device("cuda")) <= torch.cuda.is_available()


def test_an_engine_that_paints_something_else_or_fails_is_not_taken(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(EagerBackend):
        def __call__(self, maps: torch.Tensor) -> torch.Tensor:
            return super().__call__(maps) * 0.5

    def failing(_generator: Generator) -> EagerBackend:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr("dancenow.generators.crop.inference_backends.preferred", lambda _: ("bfloat16",))
    for bad in (Wrong, failing):
        monkeypatch.setattr("dancenow.generators.crop.inference_backends.BACKENDS", {**BACKENDS, "bfloat16": bad})
        assert select_backend(generator).name == "float32"


def test_what_an_engine_gives_stays_when_it_paints_the_next(generator: Generator) -> None:
    backend, maps = select_backend(generator), example(generator)
    first = backend(maps)
    kept = first.clone()
    backend(maps * 0)
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    assert first.dtype == torch.float32
