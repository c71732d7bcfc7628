"""The inference backends of a generator: they give the same image, and a failing one falls back."""

from collections.abc import Iterator

import pytest
import torch

from dancenow.execution import cpu_has_bfloat16, has_bfloat16
from dancenow.generators.crop.inference_backends import (
    BACKENDS,
    EagerBackend,
    example_maps,
    preferred_backends,
    psnr_db,
    select_backend,
)
from dancenow.generators.crop.network import Generator, GeneratorConfig

SIDE = 64


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_half_precision_gives_a_visually_identical_image() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False)
    assert psnr_db(BACKENDS["bfloat16"](generator), EagerBackend(generator), generator) > 40


@pytest.mark.skipif(not has_bfloat16(torch.device("cuda")), reason="needs a GPU that multiplies in bfloat16")
def test_a_graph_gives_the_same_image_after_other_allocations() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(SIDE, 8, 1)).eval().requires_grad_(False).cuda()
    backend = BACKENDS["graph"](generator)
    others = [torch.full((size,), 1e4, device="cuda") for size in range(1, 2000)]
    assert psnr_db(backend, EagerBackend(generator), generator) > 40
    assert all(float(other[-1]) == 1e4 for other in others[::100])


def test_half_precision_is_used_only_where_the_processor_supports_it(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dancenow.execution.cpu_has_bfloat16", lambda: False)
    assert select_backend(generator).name == "float32"
    monkeypatch.setattr("dancenow.execution.cpu_has_bfloat16", lambda: True)
    assert select_backend(generator).name == "bfloat16"
    assert isinstance(cpu_has_bfloat16(), bool)
    assert preferred_backends(torch.device("meta")) == ()


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("generation", [7, 8])
def test_half_precision_is_not_used_on_a_gpu_that_only_emulates_it(
    generation: int, is_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def new(including_emulation: bool = True) -> bool:
        return including_emulation or generation >= 8

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", (lambda: True) if is_old else new)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (generation, 0))
    gpu = torch.device("cuda")
    assert has_bfloat16(gpu) == (generation >= 8)
    assert preferred_backends(gpu) == (("graph", "bfloat16") if generation >= 8 else ())


def test_half_precision_needs_an_available_device() -> None:
    assert has_bfloat16(torch.device("cpu")) == cpu_has_bfloat16()
    assert not has_bfloat16(torch.device("meta"))
    assert has_bfloat16(torch.device("cuda")) <= torch.cuda.is_available()


def test_a_backend_that_fails_or_has_a_different_output_is_not_used(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(EagerBackend):
        def __call__(self, maps: torch.Tensor) -> torch.Tensor:
            return super().__call__(maps) * 0.5

    def failing(_generator: Generator) -> EagerBackend:
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr("dancenow.generators.crop.inference_backends.preferred_backends", lambda _: ("bfloat16",))
    for bad in (Wrong, failing):
        monkeypatch.setattr("dancenow.generators.crop.inference_backends.BACKENDS", {**BACKENDS, "bfloat16": bad})
        assert select_backend(generator).name == "float32"


def test_an_output_is_not_overwritten_by_the_next_one(generator: Generator) -> None:
    backend, maps = select_backend(generator), example_maps(generator)
    first = backend(maps)
    kept = first.clone()
    backend(maps * 0)
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    assert first.dtype == torch.float32
