"""Precision of training: bfloat16 where the hardware multiplies it natively, float32 elsewhere."""

from typing import Literal

import torch

from dancenow.execution import has_bfloat16

Precision = Literal["float32", "bfloat16"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Mixed precision if the configuration asks for it; a context without effect where it would not be faster."""
    # No cache: casts made without gradients would be reused where gradients are needed.
    enabled = precision == "bfloat16" and has_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)
