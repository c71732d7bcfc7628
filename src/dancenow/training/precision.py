"""Which numbers networks compute in: bfloat16 where the hardware multiplies it natively, float32 elsewhere."""

from functools import cache
from typing import Literal

import torch

Precision = Literal["float32", "bfloat16"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Mixed precision for what a recipe says is trained so; a context without effect where it would not be faster."""
    native = device.type == "cuda" or _cpu_has_bfloat16()
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16" and native)


@cache
def _cpu_has_bfloat16() -> bool:
    """Without instructions for it (AVX-512 BF16, AMX) bfloat16 is emulated, several times slower than float32."""
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, _no)() for name in asked)


def _no() -> bool:
    return False
