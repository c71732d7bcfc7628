"""Why a person looks synthesized, in words: only what a measurement supports, else that the classifier alone says so.

The bounds are what one in twenty true clips of rendered people reaches (`benchmarks/2026-11-30-forensics-reasons.json`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dancenow.provenance.forensics.surroundings import Contrast, edge_map, pool_patches, surroundings_map
from dancenow.types import FloatArray

SOFTER: Final = -0.55
"""Octaves of fine detail, body against surroundings, below which a body is called softer. Noise and change from frame to frame
were measured as well, and hardly differ between true and synthesized bodies."""
MOSTLY_EDGE: Final = 1.2
"""Logits by which the outline exceeds the inside of the body before the outline is named."""
MOSTLY_INSIDE: Final = 0.5
"""The same the other way round."""
ALIKE: Final = 0.65
"""Logits by which the body exceeds its surroundings in one of twenty true people; less is no difference."""


@dataclass(frozen=True)
class Evidence:
    """What is measured of a sample, or the means of a clip; NaN where too little is seen.

    beside, edge, inside: mean logits of the surroundings, of the body's outline, and of the body within it. body: of the body.
    detail, noise, flicker: as in `surroundings.Contrast`.
    """

    body: float
    beside: float
    edge: float
    inside: float
    detail: float
    noise: float
    flicker: float

    @classmethod
    def measure(cls, logits: FloatArray, images: NDArray[np.uint8], body: NDArray[np.uint8]) -> Self:
        """From patch logits [h,w] of a pair uint8 [2,S,S,3] and its body map uint8 [S/4,S/4]."""
        around, edge = surroundings_map(images, body), edge_map(body)
        inside = np.where(edge > 127, 0, body).astype(np.uint8)
        means = [pool_patches(logits, each) for each in (body, around, edge, inside)]
        return cls(*means, **asdict(Contrast.measure(images, body, around)))

    @classmethod
    def mean(cls, measured: Sequence[Self]) -> Self:
        """The mean of each value over the samples in which it is known."""
        table = np.array([list(asdict(each).values()) for each in measured], np.float64)
        known = np.isfinite(table)
        means = np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(*np.where(known.any(axis=0), means, np.nan).tolist())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; None where too little is seen."""
        return {name: round(value, 3) if np.isfinite(value) else None for name, value in asdict(self).items()}


def reasons_in_words(evidence: Evidence) -> tuple[str, ...]:
    """Sentences on why a person is taken for synthesized."""
    measured = "Measured: nothing out of the ordinary. The classifier alone says so."
    if evidence.detail < SOFTER:
        share = f"{2**evidence.detail:.0%}"
        measured = f"Measured: the body is softer than its surroundings, with {share} of their fine detail."
    elif np.isnan(evidence.detail):
        measured = "Measured: too little is seen beside the body to compare. The classifier alone says so."
    return (measured, *_where_it_reacts(evidence))


def _where_it_reacts(evidence: Evidence) -> Iterator[str]:
    """Where the classifier finds traces. Comparisons with an unknown value are false, so that nothing is said."""
    if evidence.edge - evidence.inside > MOSTLY_EDGE:
        yield "The classifier reacts most to the outline of the body."
    if evidence.inside - evidence.edge > MOSTLY_INSIDE:
        yield "The classifier reacts most to the inside of the body."
    if evidence.body - evidence.beside < ALIKE:
        yield "It reacts to the surroundings nearly as much, so camera or encoding may be the cause."
