"""How good a result is beside the true video: metrics per frame, identity, motion, poses, and the sanity of the metrics."""
