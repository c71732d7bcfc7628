"""Pose detectors: images in, keypoints out."""
