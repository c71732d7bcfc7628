"""Mattes: the detector's coarse masks of the person, refined against the known background."""
