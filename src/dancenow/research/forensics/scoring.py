"""A classifier's scores of clips that lie in memory: what it is calibrated and measured on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.provenance.forensics.classifier import Forensic, pool
from dancenow.provenance.forensics.samples import body_share
from dancenow.research.forensics.training import Evidence

_BATCH = 16


def clip_scores(forensic: Forensic, clips: Sequence[Evidence]) -> NDArray[np.float64]:
    """The mean logit [N] of each clip, over its looks at consecutive pictures."""
    return np.array([float(look_scores(forensic, each).mean()) for each in clips], np.float64)


def body_shares(clips: Sequence[Evidence]) -> NDArray[np.float64]:
    """The share [N] of its pictures that the body fills in each clip."""
    return np.array([body_share(each.bodies) for each in clips], np.float64)


@torch.inference_mode()
def look_scores(forensic: Forensic, clip: Evidence) -> NDArray[np.float32]:
    """The logit [N] of each look."""
    scores, device = [], next(forensic.net.parameters()).device
    for first in range(0, len(clip.pictures), _BATCH):
        part = slice(first, first + _BATCH)
        pairs = torch.from_numpy(np.ascontiguousarray(clip.pictures[part, :2].transpose(0, 1, 4, 2, 3)))
        body = torch.from_numpy(clip.bodies[part]).to(device)[:, None].float() / 255
        logits = forensic.net(pairs.to(device).float().div_(127.5).sub_(1.0))
        scores.append(pool(logits, body).cpu().numpy())
    return np.concatenate(scores)
