"""Scores of a classifier for clips in memory, for calibration and measurement."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dancenow.provenance.forensics.classifier import ForensicClassifier, pool_logits
from dancenow.provenance.forensics.samples import body_fraction
from dancenow.research.forensics.training import ClipSamples

_BATCH = 16


def clip_scores(forensic: ForensicClassifier, clips: Sequence[ClipSamples]) -> NDArray[np.float64]:
    """The mean logit [N] of each clip, over its samples at consecutive frames."""
    return np.array([float(sample_scores(forensic, each).mean()) for each in clips], np.float64)


def body_fractions(clips: Sequence[ClipSamples]) -> NDArray[np.float64]:
    """The mean fraction [N] of the image that the body fills, for each clip."""
    return np.array([body_fraction(each.bodies) for each in clips], np.float64)


@torch.inference_mode()
def sample_scores(forensic: ForensicClassifier, clip: ClipSamples) -> NDArray[np.float32]:
    """The logit [N] of each sample."""
    scores, device = [], next(forensic.net.parameters()).device
    for first in range(0, len(clip.images), _BATCH):
        part = slice(first, first + _BATCH)
        pairs = torch.from_numpy(np.ascontiguousarray(clip.images[part, :2].transpose(0, 1, 4, 2, 3)))
        body = torch.from_numpy(clip.bodies[part]).to(device)[:, None].float() / 255
        logits = forensic.net(pairs.to(device).float().div_(127.5).sub_(1.0))
        scores.append(pool_logits(logits, body).cpu().numpy())
    return np.concatenate(scores)
