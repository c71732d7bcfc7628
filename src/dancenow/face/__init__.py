"""The person's face: tracking, expression transfer, refinement networks, and blending into the frame."""
