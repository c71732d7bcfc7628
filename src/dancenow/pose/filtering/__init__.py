"""Filtering of pose tracks over time: left-right swaps, outliers, gaps, jitter."""
