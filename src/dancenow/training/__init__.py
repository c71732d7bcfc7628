"""Training: one loop, one file per task."""
