"""Quality of a result against the true video: metrics per frame, identity, motion, poses, and the sanity of the metrics."""
