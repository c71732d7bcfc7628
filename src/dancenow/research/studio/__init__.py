"""Synthetic dancers with exact poses. Needs the `studio` extra."""
