"""From layers to frames: compositor, scene, temporal filter."""
