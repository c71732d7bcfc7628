"""Training: loop, budget, averaging, safe steps, state."""
